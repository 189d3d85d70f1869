"""Batch normalization in training together with the ReLU or the sum and ReLU behind it, differentiable.

Numbers are those of `torch.nn.functional.batch_norm` within rounding: statistics in float32 and more, maps in their own
dtype, and between the norm and the ReLU no rounding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from finetune.kernels.library import NAMES, at, kernels

CHANNELS_LAST = torch.channels_last


class Statistics:
    """Statistics of maps by channel: `mean` and biased `variance`, each [C], over `count` pixels."""

    def __init__(self, channels: int) -> None:
        self.mean, self.variance, self.count = torch.empty(channels), torch.empty(channels), 0

    def measure(self, maps: Tensor, first: int = 0) -> None:
        """Of channels-last `maps` [B, C, H, W], noted from channel `first` on."""
        width = maps.shape[1]
        self.count = maps.numel() // width
        places = at(self.mean[first:]), at(self.variance[first:])
        kernels(maps.dtype).statistics(at(maps), maps.stride(3), self.count, width, *places, torch.get_num_threads())


class Normalization:
    """One norm of one batch: what both passes need. `maps` may be the first channels of wider ones."""

    def __init__(self, layer: nn.BatchNorm2d, statistics: Statistics) -> None:
        width, self.count = layer.num_features, statistics.count
        self.mean, variance = statistics.mean[:width], statistics.variance[:width]
        self.deviation = (variance + layer.eps).sqrt_()
        self.scale, self.shift = torch.empty(width), torch.empty(width)
        if layer.track_running_stats:
            state: Any = layer  # with momentum and buffers, as `takes` has seen
            state.num_batches_tracked.add_(1)
            state.running_mean.lerp_(self.mean, state.momentum)
            state.running_var.lerp_(variance * (self.count / (self.count - 1)), state.momentum)

    def forward(self, maps: Tensor, weight: Tensor, bias: Tensor, *, relu: bool, other: Tensor | None) -> Tensor:
        """The normalized maps, `other` added and negative values cut."""
        shape = maps.shape
        output = torch.empty(shape, dtype=maps.dtype, memory_format=CHANNELS_LAST)
        kernels(maps.dtype).forward(
            *(at(maps), maps.stride(3), at(other), at(output), self.count, shape[1], at(weight), at(bias)),
            *(at(self.mean), at(self.deviation), at(self.scale), at(self.shift), relu, torch.get_num_threads()),
        )
        return output

    def backward(
        self, gradient: Tensor, maps: Tensor, output: Tensor | None, *, relu: bool, onto: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Gradients of the maps, of what was added (where `output` is given), of weight and of bias.

        With `onto`, laid out as `maps`, that of the maps is added to it.
        """
        gradient = gradient.to(maps.dtype).contiguous(memory_format=CHANNELS_LAST)
        inputs = torch.empty_like(gradient) if onto is None else onto
        others = None if output is None else torch.empty_like(gradient)
        weight, bias = torch.empty_like(self.mean), torch.empty_like(self.mean)
        kernels(maps.dtype).backward(
            *(at(gradient), at(maps), maps.stride(3), at(output), at(inputs), at(others), self.count, maps.shape[1]),
            *(at(self.mean), at(self.deviation), at(self.scale), at(self.shift), at(weight), at(bias)),
            *(relu, onto is not None, torch.get_num_threads()),
        )
        return inputs, others, weight, bias


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None, how: tuple) -> Tensor:
        layer, relu = how
        statistics = Statistics(maps.shape[1])
        statistics.measure(maps)
        ctx.norm, ctx.relu = Normalization(layer, statistics), relu
        output = ctx.norm.forward(maps, weight, bias, relu=relu, other=other)
        ctx.save_for_backward(maps, output if other is not None else None)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:  # type: ignore[override]
        maps, output = ctx.saved_tensors
        inputs, others, weight, bias = ctx.norm.backward(gradient, maps, output, relu=ctx.relu)
        return inputs, weight, bias, others, None


def takes(layer: nn.BatchNorm2d, maps: Tensor) -> bool:
    """Whether the kernels compute what `layer` does to `maps` now: a training step on a processor."""
    affine = layer.affine and layer.weight.dtype == torch.float32
    tracked = not layer.track_running_stats or layer.momentum is not None
    wanted = layer.training and torch.is_grad_enabled() and maps.requires_grad and affine and tracked
    return wanted and maps.device.type == "cpu" and maps.dtype in NAMES and maps.numel() > maps.shape[1]


def normalized(layer: nn.BatchNorm2d, maps: Tensor, *, relu: bool = False, other: Tensor | None = None) -> Tensor:
    """`layer` of `maps` [B, C, H, W], plus `other` of that shape, through a ReLU where `relu` (always after a sum)."""
    if not takes(layer, maps) or (other is not None and other.dtype != maps.dtype):
        found = nn.BatchNorm2d.forward(layer, maps)
        found = found if other is None else found + other
        return functional.relu(found) if relu or other is not None else found
    maps = maps.contiguous(memory_format=CHANNELS_LAST)
    other = None if other is None else other.contiguous(memory_format=CHANNELS_LAST)
    return _Norm.apply(maps, layer.weight, layer.bias, other, (layer, relu or other is not None))  # type: ignore
