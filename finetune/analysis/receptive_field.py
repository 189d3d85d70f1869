"""Receptive field: the pixels that each element of a tensor depends on, by interval arithmetic.

Every element carries the columns of the image, `first` to `last`, that it depends on (Araujo, Norris and Sim,
"Computing receptive fields of convolutional neural networks", Distill 2019, do so for one element of convolutions).
Operators that move elements move the intervals; sums unite them. Beyond the border of a map the intervals go on as
within, so that fields of convolutions are those of an image without end. Both sides of a square image are alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class ReceptiveField:
    """`first` and `last` have the shape of the tensor; those that are alike share memory.

    Columns of a map lie `step` pixels apart, and repeat after `coarse` pixels where maps were enlarged. `mixed` says
    that positions met in another way than through windows, so that the image bounds the field.
    """

    first: Tensor
    last: Tensor
    width: int
    step: float = 1.0
    coarse: float = 1.0
    mixed: bool = False

    @classmethod
    def of_image(cls, shape: Sequence[int]) -> "ReceptiveField":
        """Each pixel depends on itself."""
        columns = torch.arange(shape[-1], dtype=torch.float32).expand(tuple(shape))
        return cls(columns, columns, shape[-1])

    @property
    def field(self) -> int | None:
        """The receptive field of the middle position in pixels of a side; None for the whole image."""
        at = _middle(self.first.shape)
        first, last = (float(one[at].amin()) for one in (self.first, -self.last))
        if self.mixed:
            first, last = max(first, 0.0), max(last, 1.0 - self.width)
        field = round(-last - first) + 1
        return None if self.mixed and field >= self.width else field

    def each(self, change: Callable[[Tensor], Tensor], **facts: float) -> "ReceptiveField":
        """The receptive_field after `change`, which takes the least of what meets."""
        return replace(self, first=change(self.first), last=-change(-self.last), **facts)

    def over(self, dims: Sequence[int]) -> "ReceptiveField":
        """Union of what all positions along `dims` depend on, each of these of length 1."""
        together = self.each(lambda one: compact(one).amin(list(dims), keepdim=True))
        apart = any(
            bool((compact(one).amax(list(dims)) > compact(one).amin(list(dims))).any())
            for one in (self.first, self.last)
        )
        return replace(together, mixed=self.mixed or apart)

    def shaped(self, shape: Sequence[int]) -> "ReceptiveField":
        """The receptive_field in another shape to which it broadcasts or which holds as many elements."""
        return self.each(lambda one: shaped(one, tuple(shape)))


def compact(one: Tensor) -> Tensor:
    """One element in place of all that share its memory along a dimension."""
    for dim in range(one.ndim):
        if one.stride(dim) == 0:
            one = one.narrow(dim, 0, 1)
    return one


def shaped(one: Tensor, shape: tuple[int, ...]) -> Tensor:
    if one.numel() == 1:
        return one.reshape(()).expand(shape)
    try:
        return one.expand(shape)
    except RuntimeError:
        return one.reshape(shape)


def _middle(shape: torch.Size) -> tuple[slice | int, ...]:
    """Where the middle position is in [B, C, H, W], [B, H, W, C] or tokens [B, N, C], for all channels."""
    if len(shape) == 4 and shape[2] == shape[3]:
        return (slice(None), slice(None), shape[2] // 2, shape[3] // 2)
    if len(shape) == 4 and shape[1] == shape[2]:
        return (slice(None), shape[1] // 2, shape[2] // 2)
    if len(shape) == 3:
        side = int(shape[1] ** 0.5)
        prefix = shape[1] - side * side
        return (slice(None), prefix + side // 2 * side + side // 2)
    return ()
