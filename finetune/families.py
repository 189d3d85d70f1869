"""The rooms of the families under one interface, and which of them a name means."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import timm
from timm.models.densenet import DenseNet
from timm.models.resnet import ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.vgg import VGG
from torch import nn

from extract.errors import InvalidInput
from finetune import densenet, preact, resnet, sprint, vgg
from finetune import options as options_room
from finetune.options import Options
from finetune.stages import Stages


class Room(Protocol):
    """What the module of a family offers: its names, its options, and how to build and read its networks."""

    @property
    def NAMES(self) -> tuple[str, ...]:
        """Those that are listed; `PATTERN` matches more."""
        ...

    @property
    def PATTERN(self) -> str:
        """A regular expression with groups "depth" (or "cifar_depth") and "growth_rate" where a name holds them."""
        ...

    @property
    def OPTIONS(self) -> tuple[str, ...]:
        """The architecture options that the family has."""
        ...

    @property
    def NORMS(self) -> tuple[str, ...]:
        """Its values of the option `norm`."""
        ...

    @property
    def REPLACED(self) -> tuple[str, ...]:
        """The modules that its CIFAR stem replaces or leaves out."""
        ...

    @property
    def IMAGENET_DEPTHS(self) -> tuple[int, ...]:
        """The depths that have both stems."""
        ...

    @property
    def HAS_CIFAR_STEM(self) -> bool:
        """Whether the CIFAR stem has weights of its own, which ImageNet's weights lack."""
        ...

    def timm_name(self, options: Options) -> str | None:
        """The timm architecture whose weights fit."""
        ...

    def form(self, options: Options, *, cifar_stem: bool) -> str:
        """What `build` makes of the options, in words: they may make another network than the name says."""
        ...

    def build(self, options: Options, *, class_count: int, cifar_stem: bool) -> nn.Module:
        """An untrained network."""
        ...

    def smallest_size(self, options: Options, *, cifar_stem: bool) -> int:
        """The smallest image in pixels."""
        ...

    def stages(self, network: nn.Module) -> Stages:
        """The stages of a network that `build` or timm made."""
        ...


ROOMS: tuple[tuple[str, Room], ...] = (
    ("resnet", resnet),
    ("preact", preact),
    ("densenet", densenet),
    ("vgg", vgg),
    ("vgg", sprint),
)
KINDS: tuple[tuple[tuple[type, ...], Room], ...] = (
    ((ResNet, resnet.CifarResNet), resnet),
    ((ResNetV2,), preact),
    ((DenseNet,), densenet),
    ((VGG,), vgg),
    ((sprint.Sprint,), sprint),
)


def place(name: str) -> tuple[str | None, Room | None]:
    """(family, room) of a name; (None, None) for one that no family lists and that is, or may be, timm's."""
    bare = name.partition(".")[0]
    for key, room in ROOMS:
        if bare in room.NAMES or (re.fullmatch(room.PATTERN, bare) and not timm.is_model(bare)):
            return key, room
    return None, None


def room_of(network: nn.Module) -> Room | None:
    """The room that can read a network, whoever built it."""
    return next((room for kinds, room in KINDS if isinstance(network, kinds)), None)


def resolved(name: str, *, room: Room, given: Mapping[str, Any]) -> Options:
    """The options that were given, with those that the name stands for."""
    result = options_room.chosen(given, network=name, has=room.OPTIONS, norms=room.NORMS)
    found = re.fullmatch(room.PATTERN, name.partition(".")[0])
    assert found is not None  # every listed name matches its pattern
    for part, value in found.groupdict().items():
        option = part.removeprefix("cifar_")
        if value is not None and getattr(result, option) is None:
            result = replace(result, **{option: int(value)})
    if "depth" in room.OPTIONS and result.depth is None:
        raise InvalidInput(
            f"network must be named with its depth; got {name!r}. Use {', '.join(room.NAMES[:4])}, or --depth."
        )
    return result
