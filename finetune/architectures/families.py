"""The families of networks under one interface, and which of them a name means."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import timm
from timm.models.densenet import DenseNet
from timm.models.resnet import ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.vgg import VGG
from torch import nn

from extract.errors import InvalidInputError
from finetune.architectures import airbench94, densenet, preact, resnet, vgg
from finetune.architectures import options as options_module
from finetune.architectures.options import Options
from finetune.architectures.stages import Stages


class Family(Protocol):
    """Interface of a family's module: its names, its options, and how to build and read its networks.

    `NAMES` are listed; `PATTERN` matches more, with groups "depth" (or "cifar_depth") and "growth_rate" where a name
    holds them. `OPTIONS` are the architecture options that it has, `NORMS` its values of `norm`. `IMAGENET_DEPTHS` have
    both stems; `REPLACED` are the modules that the CIFAR stem replaces or leaves out, `HAS_CIFAR_STEM` says whether it
    has weights of its own, which ImageNet's weights lack. `IDEA` is the paper's idea, two sentences and a citation.
    """

    IDEA: str
    NAMES: tuple[str, ...]
    PATTERN: str
    OPTIONS: tuple[str, ...]
    NORMS: tuple[str, ...]
    REPLACED: tuple[str, ...]
    IMAGENET_DEPTHS: tuple[int, ...]
    HAS_CIFAR_STEM: bool

    def timm_name(self, options: Options) -> str | None:
        """The timm architecture whose weights fit."""
        ...

    def form(self, options: Options, *, cifar_stem: bool) -> str:
        """Form of the built network, in words: the options may make another network than the name says."""
        ...

    def build(self, options: Options, *, n_classes: int, cifar_stem: bool) -> nn.Module:
        """An untrained network."""
        ...

    def smallest_size(self, options: Options, *, cifar_stem: bool) -> int:
        """The smallest image in pixels."""
        ...

    def stages(self, network: nn.Module) -> Stages:
        """The stages of a network that `build` or timm made."""
        ...


REGISTRY: tuple[tuple[str, Family], ...] = (
    ("resnet", resnet),
    ("preact", preact),
    ("densenet", densenet),
    ("vgg", vgg),
    ("vgg", airbench94),
)
KINDS: tuple[tuple[tuple[type, ...], Family], ...] = (
    ((ResNet, resnet.CifarResNet), resnet),
    ((ResNetV2,), preact),
    ((DenseNet,), densenet),
    ((VGG,), vgg),
    ((airbench94.Airbench94,), airbench94),
)


def lookup(name: str) -> tuple[str | None, Family | None]:
    """(name of the family, family) of a network's name; (None, None) for what is, or may be, timm's."""
    bare = name.partition(".")[0]
    for key, family in REGISTRY:
        if bare in family.NAMES or (re.fullmatch(family.PATTERN, bare) and not timm.is_model(bare)):
            return key, family
    return None, None


def family_of(network: nn.Module) -> Family | None:
    """The family that can read a network, whoever built it."""
    return next((family for kinds, family in KINDS if isinstance(network, kinds)), None)


def resolved(name: str, *, family: Family, chosen_options: Mapping[str, object]) -> Options:
    """The options that were given, with those that the name stands for."""
    result = options_module.chosen(chosen_options, network=name, has=family.OPTIONS, norms=family.NORMS)
    found = re.fullmatch(family.PATTERN, name.partition(".")[0])
    assert found is not None  # every listed name matches its pattern
    for part, value in found.groupdict().items():
        option = part.removeprefix("cifar_")
        if value is not None and getattr(result, option) is None:
            result = replace(result, **{option: int(value)})
    if "depth" in family.OPTIONS and result.depth is None:
        raise InvalidInputError(
            f"network must be named with its depth; got {name!r}. Use {', '.join(family.NAMES[:4])}, or --depth."
        )
    return result
