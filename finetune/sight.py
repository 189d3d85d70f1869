"""How far a tensor of a network sees into the image.

Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill 2019): every map carries
the interval of input pixels that its first position sees, and how many pixels apart its positions lie. Kernels widen
the interval, strides spread the positions, additions and concatenations unite. Linear layers that mix positions through
a transposition (MLP-Mixer) are not seen as such.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import torch

aten = torch.ops.aten
POOLS = (aten.max_pool2d_with_indices.default, aten.avg_pool2d.default)
MIXERS = (  # operators after which every position may depend on every other
    aten.bmm.default,
    aten.baddbmm.default,
    aten._softmax.default,
    aten._adaptive_avg_pool2d.default,
    aten.adaptive_max_pool2d.default,
)
MATRICES = {aten.mm.default: 0, aten.addmm.default: 1}  # linear layers, and which argument their input is
REDUCTIONS = (aten.mean.dim, aten.amax.default, aten.sum.dim_IntList)


@dataclass(frozen=True)
class Sight:
    """Along one side: position i of a map looks at the input pixels `first` + i `step` to `last` + i `step`.

    `everything`: each position may look at the whole image.
    """

    first: int = 0
    last: int = 0
    step: int = 1
    everything: bool = False

    @property
    def field(self) -> int | None:
        """The receptive field: pixels of a side that a position sees; None for the whole image."""
        return None if self.everything else self.last - self.first + 1

    def through(self, *, kernel: int, stride: int, padding: int, dilation: int = 1) -> "Sight":
        """The sight behind a convolution or pooling."""
        first = self.first - padding * self.step
        last = self.last + (dilation * (kernel - 1) - padding) * self.step
        return replace(self, first=first, last=last, step=self.step * stride)

    def united(self, other: "Sight") -> "Sight":
        """The sight of what depends on both."""
        return Sight(
            min(self.first, other.first),
            max(self.last, other.last),
            max(self.step, other.step),
            self.everything or other.everything,
        )


def behind(operator: Any, *, arguments: Sequence[Any], seen: Sequence[Sight]) -> Sight:
    """The sight of what an ATen operator gives, from those of the tensors among its arguments."""
    sight = reduce(Sight.united, seen)
    if operator is aten.convolution.default:
        _, weight, _, stride, padding, dilation = arguments[:6]
        return sight.through(kernel=weight.shape[-1], stride=stride[-1], padding=padding[-1], dilation=dilation[-1])
    if operator in POOLS:
        kernel, stride, padding = (*arguments[1:4], [], [])[:3]
        return sight.through(kernel=kernel[-1], stride=(stride or kernel)[-1], padding=padding[-1] if padding else 0)
    return replace(sight, everything=sight.everything or _mixes(operator, arguments))


def _mixes(operator: Any, arguments: Sequence[Any]) -> bool:
    if operator in MATRICES:  # one row is a flattened map; many rows are positions, each for itself
        return arguments[MATRICES[operator]].shape[0] == 1
    if operator in REDUCTIONS:
        return _over_positions(*arguments[:2])
    return operator in MIXERS or "attention" in str(operator)


def _over_positions(maps: torch.Tensor, dimensions: Sequence[int]) -> bool:
    return maps.ndim > 2 and bool({one % maps.ndim for one in dimensions} & set(range(2, maps.ndim)))
