"""One axis of an image resized on the device, to the very levels that Pillow gives.

Resizing is linear: the map of one axis is a matrix, read off by letting Pillow resize the identity.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}
UNITS = 2**22  # Pillow's fixed point (PRECISION_BITS in its Resample.c)
HIGH_STEP = 2**11
MOST_TAPS = 8  # weights of a pixel up to which compiled code reads them alone, not the whole axis


def resize_matrix(length: int, *, resized: int, cut: int, interpolation: str) -> np.ndarray:
    """The linear map of one axis, resizing to `resized` pixels and keeping the centre: int32 [cut, length].

    In units of 1 / `UNITS`, as Pillow holds its weights: it rounds each to 22 bits and then computes with integers.
    """
    identity = Image.fromarray(np.eye(length, dtype=np.int32) * UNITS)
    full = np.asarray(identity.resize((length, resized), FILTERS[interpolation]))
    first = round((resized - cut) / 2.0)
    return np.ascontiguousarray(full[first : first + cut])


class Axis(nn.Module):
    """Whole levels 0..255 resized along one axis, to the very levels that Pillow gives: float32 -> float32.

    `matrix` is a `resize_matrix`. Its weights have 22 bits, too many for sums in float32; so where they do not fit they
    are split in two, whose sums are exact (for up to 64 weights of a pixel), and rounded together. Exact sums have
    the same bits in any order, so compiled rows are summed over their few weights in one loop with all that follows.
    """

    high: Tensor
    low: Tensor | None
    starts: Tensor | None

    def __init__(self, matrix: np.ndarray, *, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        whole = torch.tensor(matrix.T if transposed else matrix, dtype=torch.float64)
        step = int(np.gcd.reduce(matrix, axis=None))
        fits = 255 * int(np.abs(matrix.astype(np.int64)).sum(1).max()) < step * 2**23
        high = whole if fits else (whole / HIGH_STEP).round() * HIGH_STEP
        self.register_buffer("high", (high / UNITS).float().contiguous())
        self.register_buffer("low", None if fits else ((whole - high) / UNITS).float().contiguous())
        starts, self.taps = _taps(matrix)
        sparse = not transposed and self.taps <= min(MOST_TAPS, matrix.shape[1] - 1)
        self.register_buffer("starts", torch.from_numpy(starts) if sparse else None)

    def forward(self, levels: Tensor) -> Tensor:
        """[.., length, C] -> [.., cut, C], or with `transposed` [.., length] -> [.., cut]."""
        above = self._product(self.high, levels) + 0.5
        whole = above.floor()
        if self.low is not None:
            whole = whole + (above - whole + self._product(self.low, levels)).floor()
        return whole.clamp(0, 255)

    def _product(self, matrix: Tensor, levels: Tensor) -> Tensor:
        if self.transposed:
            return levels @ matrix
        if self.starts is None or not torch.compiler.is_compiling():
            return matrix @ levels
        total = torch.zeros((), device=levels.device)
        for tap in range(self.taps):
            positions = self.starts + tap
            total = total + matrix.gather(1, positions[:, None]) * levels[..., positions, :]
        return total


def _taps(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """Where the weights of each row of `matrix` start, int64, and a number of columns that holds those of any row."""
    used = matrix != 0
    first = used.argmax(1)
    count = int((matrix.shape[1] - used[:, ::-1].argmax(1) - first).max())
    return np.minimum(first, matrix.shape[1] - count), count
