"""Dense blocks without concatenation: the maps of all layers lie in one tensor, and so do their gradients.

A layer reads the first channels of that tensor, whose statistics were taken when they were written: the block takes
them once, where a norm for each layer would take them again for all maps before it (as Pleiss et al. 2017,
arXiv:1707.06990, share memory). The order of the layers is kept for the backward pass by a token that passes from one
to the next.
"""

from typing import Any

import torch
from timm.models.densenet import DenseBlock, DenseLayer
from torch import Tensor, nn
from torch.nn import functional

from finetune.kernels.norms import CHANNELS_LAST, Normalization, Statistics, takes


class _Maps:
    """The maps of a block with their statistics, and in the backward pass their gradients."""

    def __init__(self, first: Tensor, channels: int) -> None:
        batch, _, height, width = first.shape
        self.maps = torch.empty((batch, channels, height, width), dtype=first.dtype, memory_format=CHANNELS_LAST)
        self.statistics, self.gradients, self.filled = Statistics(channels), None, 0

    def append(self, new: Tensor) -> slice:
        """Writes `new` behind what is there; its channels."""
        new = new.contiguous(memory_format=CHANNELS_LAST)
        place = slice(self.filled, self.filled + new.shape[1])
        self.maps[:, place] = new
        self.statistics.measure(new, self.filled)
        self.filled = place.stop
        return place


class _Append(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, token: Tensor, new: Tensor, block: _Maps) -> Tensor:
        ctx.block, ctx.place = block, block.append(new)
        return token.clone()

    @staticmethod
    def backward(ctx: Any, token: Tensor) -> tuple:  # type: ignore[override]
        return token, ctx.block.gradients[:, ctx.place].contiguous(memory_format=CHANNELS_LAST), None


class _Norm(torch.autograd.Function):
    """(token, ReLU of the norm of all maps so far)."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, weight: Tensor, bias: Tensor, block: _Maps, layer: nn.BatchNorm2d) -> tuple:
        ctx.block, ctx.norm, ctx.width = block, Normalization(layer, block.statistics), block.filled
        output = ctx.norm.forward(block.maps[:, : ctx.width], weight, bias, relu=True, other=None)
        return token.clone(), output

    @staticmethod
    def backward(ctx: Any, token: Tensor, gradient: Tensor) -> tuple:  # type: ignore[override]
        maps, onto = (one[:, : ctx.width] for one in (ctx.block.maps, ctx.block.gradients))
        _, _, weight, bias = ctx.norm.backward(gradient, maps, None, relu=True, onto=onto)
        return token, weight, bias, None, None


class _All(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, token: Tensor, block: _Maps) -> Tensor:
        ctx.block = block
        return block.maps.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:  # type: ignore[override]
        ctx.block.gradients = gradient.to(ctx.block.maps.dtype).clone(memory_format=CHANNELS_LAST)
        return torch.zeros(()), None


def block_maps(block: DenseBlock, first: Tensor) -> Tensor:
    """`block` of `first` [B, C, H, W], all maps [B, C + growth, H, W]."""
    layers = [layer for layer in block.values() if isinstance(layer, DenseLayer)]
    if not all(takes(layer.norm1, first) for layer in layers):  # type: ignore[arg-type]
        return DenseBlock.forward(block, first)
    last: Any = layers[-1]
    maps = _Maps(first, last.norm1.num_features + last.conv2.out_channels)
    token: Tensor = _Append.apply(torch.zeros((), requires_grad=True), first, maps)  # type: ignore[assignment]
    for layer in layers:
        inner: Any = layer
        token, activated = _Norm.apply(token, inner.norm1.weight, inner.norm1.bias, maps, inner.norm1)  # type: ignore
        new = inner.conv2(inner.norm2(inner.conv1(activated)))
        if layer.drop_rate > 0:
            new = functional.dropout(new, p=layer.drop_rate, training=layer.training)
        token = _Append.apply(token, new.to(first.dtype), maps)  # type: ignore[assignment]
    return _All.apply(token, maps)  # type: ignore[return-value]
