"""Checkpoints of kuangliu/pytorch-cifar under the names of our networks, and in DenseNet's order of channels.

Its ResNets, VGGs and DenseNets compute what ours with a CIFAR stem do. A DenseNet there puts the maps of a layer before
those that it got, here behind them. A PreActResNet there has no norm before the pooling: the option `final_norm`.
akamaster/pytorch_resnet_cifar10, whose ResNets are the paper's for CIFAR, calls their tensors alike.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from timm.models.densenet import DenseNet
from timm.models.resnet import ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.vgg import VGG
from torch import Tensor, nn

from extract.backbones.checkpoints import Checkpoint
from finetune.architectures.resnet import CifarResNet

Names = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]
RESNET: Names = ((r"\.shortcut\.", ".downsample."), (r"^linear\.", "fc."))
PREACT: Names = (
    (r"^conv1\.", "stem.conv."),
    (r"^layer(\d)\.(\d+)\.", lambda found: f"stages.{int(found[1]) - 1}.blocks.{found[2]}."),
    (r"\.bn(\d)\.", r".norm\1."),
    (r"\.shortcut\.0\.", ".downsample.conv."),
    (r"^linear\.", "head.fc."),
)
DENSENET: Names = (
    (r"^conv1\.", "features.conv0."),
    (r"^dense(\d)\.(\d+)\.", lambda found: f"features.denseblock{found[1]}.denselayer{int(found[2]) + 1}."),
    (r"^trans(\d)\.", r"features.transition\1."),
    (r"\.bn(\d?)\.", r".norm\1."),
    (r"^bn\.", "features.norm5."),
    (r"^linear\.", "classifier."),
)
VGG_NAMES: Names = ((r"^classifier\.", "head.fc."),)


LAST = re.compile(r"(.*\.)?(linear|classifier)\.weight")


def is_preact(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the tensors are those of a PreActResNet of pytorch-cifar: no norm follows its stem or its last block."""
    tensors = _bare(tensors)
    return "linear.weight" in tensors and "layer1.0.bn1.weight" in tensors and "bn1.weight" not in tensors


def renamed(found: Checkpoint, network: nn.Module) -> Checkpoint:
    """What was found under the names of `network`, where it has those of pytorch-cifar."""
    tensors = translated(found.tensors, network)
    if tensors is None:
        return found
    said = f"{found.name}: the tensors' names are those of pytorch-cifar and are translated"
    return replace(found, tensors=tensors, notices=(*found.notices, said))


def translated(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor] | None:
    """The tensors under the names of `network` where they have pytorch-cifar's, else None."""
    tensors = _bare(tensors)
    if isinstance(network, VGG):
        return _renamed(tensors, VGG_NAMES) if getattr(tensors.get("classifier.weight"), "ndim", 0) == 2 else None
    if "linear.weight" not in tensors:
        return None
    if isinstance(network, DenseNet):
        return _renamed(_reordered(tensors), DENSENET)
    if isinstance(network, ResNetV2):
        found = _renamed(tensors, PREACT)
        return {**found, "head.fc.weight": found["head.fc.weight"][..., None, None]}  # a 1x1 convolution
    return _renamed(tensors, RESNET) if isinstance(network, ResNet | CifarResNet) else None


def _bare(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors below the prefix of the last layer, such as Lightning's "model.", where there is one such layer."""
    prefixes = [found[1] for name in tensors if (found := LAST.fullmatch(name))]
    if len(prefixes) != 1 or not (prefix := prefixes[0]):
        return tensors
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}


def _renamed(tensors: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    def name(text: str) -> str:
        for pattern, other in names:
            text = re.sub(pattern, other, text)
        return text

    return {name(old): tensor for old, tensor in tensors.items()}


def _reordered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a DenseNet whose layers read what they got before the maps of the layers since, in their order."""
    found, block = dict(tensors), 1
    while f"dense{block}.0.conv2.weight" in tensors:
        growth, before = len(tensors[f"dense{block}.0.conv2.weight"]), len(tensors[f"dense{block}.0.bn1.weight"])
        layers = 0
        while (layer := f"dense{block}.{layers}.") + "conv1.weight" in tensors:
            _reorder(found, f"{layer}bn1.", f"{layer}conv1.", _order(before, growth, layers))
            layers += 1
        last = f"trans{block}.conv." not in {f"{name.rpartition('.')[0]}." for name in tensors}
        norm, reader = ("bn.", "linear.") if last else (f"trans{block}.bn.", f"trans{block}.conv.")
        _reorder(found, norm, reader, _order(before, growth, layers))
        block += 1
    return found


def _order(before: int, growth: int, layers: int) -> Tensor:
    """Where each of our channels lies there, after so many layers on `before` channels."""
    newest_first = [torch.arange(growth) + growth * place for place in range(layers)]
    return torch.cat([torch.arange(before) + growth * layers, *reversed(newest_first)])


def _reorder(found: dict[str, Tensor], norm: str, reader: str, order: Tensor) -> None:
    for name in [name for name in found if name.startswith(norm) and found[name].ndim == 1]:
        found[name] = found[name][order]
    found[f"{reader}weight"] = found[f"{reader}weight"][:, order]
