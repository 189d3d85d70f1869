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
COPIED = 32  # products that take as long as copying one number


def resize_matrix(length: int, *, resized: int, cut: int, interpolation: str) -> np.ndarray:
    """The linear map of one axis, resizing to `resized` pixels and keeping the center: int32 [cut, length].

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
    the same bits in any order, so compiled rows are summed over their few weights in one loop with all that follows,
    and others in bands of rows that read the same few: for 32 rows made 224 a quarter of the products.
    """

    high: Tensor
    low: Tensor | None
    taps: Tensor | None
    bands: Tensor | None

    def __init__(self, matrix: np.ndarray, *, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        whole = torch.tensor(matrix.T if transposed else matrix, dtype=torch.float64)
        step = int(np.gcd.reduce(matrix, axis=None))
        fits = 255 * int(np.abs(matrix.astype(np.int64)).sum(1).max()) < step * 2**23
        high = whole if fits else (whole / HIGH_STEP).round() * HIGH_STEP
        self.register_buffer("high", (high / UNITS).float().contiguous())
        self.register_buffer("low", None if fits else ((whole - high) / UNITS).float().contiguous())
        taps = _read(matrix, len(matrix))
        sparse = not transposed and taps.shape[1] <= min(MOST_TAPS, matrix.shape[1] - 1)
        self.register_buffer("taps", torch.from_numpy(taps) if sparse else None)
        bands = _bands(matrix)
        self.register_buffer("bands", torch.from_numpy(bands) if not transposed and len(bands) > 1 else None)

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
        if torch.compiler.is_compiling():
            if self.taps is not None:
                total = torch.zeros((), device=levels.device)
                for positions in self.taps.unbind(1):
                    total = total + matrix.gather(1, positions[:, None]) * levels[..., positions, :]
                return total
        elif self.bands is not None:
            rows = matrix.unflatten(0, (len(self.bands), -1))
            weights = rows.gather(2, self.bands[:, None].expand(-1, rows.shape[1], -1))
            windows = levels[..., self.bands.flatten(), :].unflatten(-2, self.bands.shape)
            return (weights @ windows).flatten(-3, -2)
        return matrix @ levels


def _bands(matrix: np.ndarray) -> np.ndarray:
    """What as many groups of rows read with which the products, and the columns copied for them, are fewest."""
    found = (_read(matrix, count) for count in range(1, len(matrix) + 1) if len(matrix) % count == 0)
    return min(found, key=lambda columns: (len(matrix) + COPIED * len(columns)) * columns.shape[1])


def _read(matrix: np.ndarray, count: int) -> np.ndarray:
    """The columns, int64 [count, w], in which each of `count` equal groups of rows has all its weights."""
    used, length = matrix != 0, matrix.shape[1]
    first = used.argmax(1).reshape(count, -1).min(1)
    last = (length - used[:, ::-1].argmax(1)).reshape(count, -1).max(1)
    width = int((last - first).max())
    return np.minimum(first, length - width)[:, None] + np.arange(width)
