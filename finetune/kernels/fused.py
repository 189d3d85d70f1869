"""Networks whose norms train by the kernels: which modules compute what together, while a training lasts."""

import collections
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from timm.layers.norm_act import BatchNormAct2d
from timm.models.densenet import DenseBlock, DenseLayer
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from finetune.architectures.resnet import CifarResNet
from finetune.kernels.dense import block_maps
from finetune.kernels.norms import normalized

Forward = Callable[..., Tensor]
RESIDUAL = (BasicBlock, Bottleneck)


@contextlib.contextmanager
def fused(network: nn.Module, *, active: bool = True) -> Iterator[None]:
    """Inside, norms of `network` train together with the ReLU or the sum behind them; afterwards it is as before.

    Evaluation, frozen statistics and all that the kernels do not compute stay as they are, within and without.
    """
    forwards = dict(_forwards(network)) if active else {}
    for module, forward in forwards.items():
        module.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in forwards:
            del module.forward


def _forwards(network: nn.Module) -> Iterator[tuple[nn.Module, Forward]]:
    """(module, what it computes instead), the more special last."""
    modules = list(network.modules())
    uses = collections.Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    for module in modules:
        if type(module) is nn.BatchNorm2d:
            yield module, functools.partial(normalized, module)
        elif type(module) is BatchNormAct2d and _is_plain(module.drop) and type(module.act) in (nn.ReLU, nn.Identity):
            norm: Any = module
            yield module, functools.partial(normalized, norm, relu=type(norm.act) is nn.ReLU)
    for module in modules:
        for norm, activation in _pairs(module):
            if type(norm) is nn.BatchNorm2d and type(activation) is nn.ReLU and uses[id(activation)] == 1:
                yield norm, functools.partial(normalized, norm, relu=True)
                yield activation, _unchanged
        if type(module) in RESIDUAL and _is_simple(module) and _is_plain(module.drop_block):  # type: ignore[arg-type]
            yield module, functools.partial(_residual, module)  # type: ignore[arg-type]
        elif type(module) is DenseBlock and all(_is_dense(layer) for layer in module.values()):
            yield module, functools.partial(block_maps, module)


def _pairs(module: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """(norm, activation) where the output of the one is the input of the other and of nothing else."""
    if type(module) is nn.Sequential:
        return list(zip(list(module), list(module)[1:], strict=False))
    if type(module) in RESIDUAL and _is_plain(module.drop_block):  # type: ignore[arg-type]
        numbers = (1,) if isinstance(module, BasicBlock) else (1, 2)
    elif isinstance(module, ResNet | CifarResNet):
        numbers = (1,)
    else:
        numbers = ()
    return [(module.get_submodule(f"bn{number}"), module.get_submodule(f"act{number}")) for number in numbers]


def _is_plain(module: object) -> bool:
    return module is None or type(module) is nn.Identity


def _is_simple(block: BasicBlock | Bottleneck) -> bool:
    """Whether the last norm of a residual block meets the shortcut, and both a ReLU, with nothing in between."""
    norm, activation = _ends(block)
    between = all(_is_plain(one) for one in (block.se, block.drop_path))
    return between and type(norm) is nn.BatchNorm2d and type(activation) is nn.ReLU


def _ends(block: BasicBlock | Bottleneck) -> tuple[nn.Module, nn.Module]:
    return (block.bn3, block.act3) if isinstance(block, Bottleneck) else (block.bn2, block.act2)


def _is_dense(layer: nn.Module) -> bool:
    norms = [layer.norm1, layer.norm2] if isinstance(layer, DenseLayer) else []
    plain = [one for one in norms if isinstance(one, BatchNormAct2d) and type(one) is BatchNormAct2d]
    return len(plain) == 2 and all(type(norm.act) is nn.ReLU for norm in plain)


def _residual(block: BasicBlock | Bottleneck, maps: Tensor) -> Tensor:
    """timm's forward pass of a residual block; its last norm, the sum and the ReLU are one."""
    part: Any = block  # its stubs lack that modules can be called
    branch = part.act1(part.bn1(part.conv1(maps)))
    if isinstance(block, Bottleneck):
        branch = part.conv3(part.aa(part.act2(part.bn2(part.conv2(branch)))))
    else:
        branch = part.conv2(part.aa(branch))
    shortcut = maps if block.downsample is None else block.downsample(maps)
    return normalized(_ends(block)[0], branch, other=shortcut)  # type: ignore[arg-type]


def _unchanged(maps: Tensor) -> Tensor:
    return maps
