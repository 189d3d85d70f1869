"""Networks by name: the four families and every other timm architecture, with a last layer for K classes."""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import timm
import torch
from timm.models.densenet import DenseNet
from timm.models.resnet import ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.vgg import VGG
from torch import nn

from extract.errors import InvalidInput, unknown
from finetune import densenet, preact, resnet, vgg
from finetune import options as options_room
from finetune import stages as stages_room
from finetune.options import Options

FAMILIES: dict[str, ModuleType] = {"resnet": resnet, "preact": preact, "densenet": densenet, "vgg": vgg}
TIMM_OPTIONS = ("dropout", "drop_path")


def names(pattern: str = "") -> list[str]:
    """The networks of the four families, then timm's, whose name contains `pattern` (or matches it, with * and ?)."""
    wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    own = [name for room in FAMILIES.values() for name in room.NAMES]
    others = [name for name in timm.list_models(wild) if name not in own]
    return fnmatch.filter(own, wild) + others


def family(name: str) -> str | None:
    """The family that `name` belongs to: "resnet", "preact", "densenet" or "vgg"; None for another timm name.

    A name that timm has and no family lists, such as resnet26, is timm's.
    """
    for key, room in FAMILIES.items():
        if name in room.NAMES or (re.fullmatch(room.PATTERN, name) and not timm.is_model(name)):
            return key
    return None


def options_of(name: str) -> tuple[str, ...]:
    """The architecture options that `name` has."""
    key = family(name)
    return FAMILIES[key].OPTIONS if key else TIMM_OPTIONS


def build(
    name: str, *, class_count: int, image_size: int, options: Mapping[str, Any] | None = None, seed: int = 0
) -> nn.Module:
    """An untrained network: images [B, 3, H, W] -> logits [B, `class_count`], initialised by `seed`.

    `options` are those of `Options`; None counts as not given. Draws from no global generator. Raises
    `InvalidInput` for an unknown name or option, one that the family lacks, or an image too small for it.
    """
    if class_count < 1:
        raise InvalidInput(f"class count must be a whole number from 1; got {class_count!r}. Check the data set.")
    key = family(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if key is None:
            return _timm(name, class_count=class_count, image_size=image_size, options=options or {})
        room, resolved = FAMILIES[key], resolve(name, options or {})
        cifar_stem = resolved.cifar_stem(image_size)
        smallest = room.smallest_size(resolved, cifar_stem=cifar_stem)
        if image_size < smallest:
            raise InvalidInput(
                f"image size must be at least {smallest} pixels for {name}; got {image_size!r}. Use --image-size."
            )
        return room.build(resolved, class_count=class_count, cifar_stem=cifar_stem)


def resolve(name: str, options: Mapping[str, Any]) -> Options:
    """The options of a family's network, with those that its name stands for."""
    key = family(name)
    assert key is not None  # only families have rooms
    room = FAMILIES[key]
    if name in ("sprint",):
        return options_room.chosen(options, network=name, has=("width",))
    result = options_room.chosen(options, network=name, has=room.OPTIONS, norms=room.NORMS)
    found = re.fullmatch(room.PATTERN, name)
    assert found is not None  # every listed name matches its pattern
    for group, value in found.groupdict().items():
        option = "depth" if group == "cifar_depth" else group
        if value is not None and getattr(result, option) is None:
            result = replace(result, **{option: int(value)})
    return result


def classifier(network: nn.Module) -> nn.Module:
    """The last layer of a network, which gives the logits: a linear layer, or a 1x1 convolution (ResNetV2)."""
    last = network.get_classifier()  # type: ignore[operator]
    return nn.ModuleList(last) if isinstance(last, tuple) else last


def stages(network: nn.Module) -> stages_room.Stages:
    """The named stages of a network from input to output, without its classifier. See `finetune.stages`."""
    rooms = {(ResNet, resnet.CifarResNet): resnet, (ResNetV2,): preact, (DenseNet,): densenet, (VGG,): vgg}
    for kinds, room in rooms.items():
        if isinstance(network, kinds):
            return room.stages(network)
    return stages_room.from_matcher(network, classifier=classifier(network))


def _timm(name: str, *, class_count: int, image_size: int, options: Mapping[str, Any]) -> nn.Module:
    if not timm.is_model(name):
        raise unknown("network", name=name, known=names(), remedy="`pipeline networks` lists them.")
    chosen = options_room.chosen(options, network=name, has=TIMM_OPTIONS)
    given = {"drop_rate": chosen.dropout, "drop_path_rate": chosen.drop_path}
    given = {key: value for key, value in given.items() if value}
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is not None and config.fixed_input_size:
        given["img_size"] = image_size
    try:
        return timm.create_model(name, num_classes=class_count, **given)
    except TypeError as error:
        raise InvalidInput(
            f"architecture options must be ones that {name} has; got {', '.join(given)} ({error}). Leave them out."
        ) from error
