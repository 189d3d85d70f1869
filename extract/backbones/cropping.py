"""timm's evaluation transform by Pillow; of a thin strip only what the crop keeps is enlarged.

timm enlarges the shorter side to the network's size before it cuts the center out: a strip of 20,000 x 1 pixels
becomes 256 rows of 5 million. Pillow resizes columns, rounds, and resizes rows; so each pixel that is kept comes of
few others, and the same integers give the same levels here. Weights as in Pillow's Resample.c (the filters there).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from extract.backbones.resampling import FILTERS as PILLOW_FILTERS
from extract.backbones.transforms import Preprocessing, pillow_transform, resized_lengths
from extract.decoding.decode import Target

MOST_RESIZED = 2**24  # pixels of a whole enlarged image, from which on only what is kept is made
PRECISION_BITS = 22  # of Pillow's weights


def transform(preprocessing: Preprocessing) -> Callable[[Image.Image], Tensor]:
    """timm's evaluation transform without its normalization: RGB image -> uint8 [3, H, W]."""
    whole = pillow_transform(preprocessing)

    def one(image: Image.Image) -> Tensor:
        rows, columns = resized_lengths(preprocessing, height=image.height, width=image.width)
        if min(rows, columns) < 1:  # "border" and an image longer than the network's size is large
            return whole(image.resize((max(columns, 1), max(rows, 1)), Image.Resampling.BOX))
        is_enlarged = rows >= image.height and columns >= image.width
        if is_enlarged and rows * columns > MOST_RESIZED:
            return kept_part(image, (rows, columns), preprocessing=preprocessing)
        return whole(image)

    return one


def target(preprocessing: Preprocessing) -> Target:
    """What the transform resizes an image to, and keeps of that; what has that size already it does not resize."""

    def size(height: int, width: int) -> tuple[int, int]:
        return resized_lengths(preprocessing, height=height, width=width)

    return Target(size, PILLOW_FILTERS[preprocessing.interpolation], kept=preprocessing.image_size)


def kept_part(image: Image.Image, resized: tuple[int, int], *, preprocessing: Preprocessing) -> Tensor:
    """The center of an enlarged image, uint8 [3, H, W], without the rest of it; equal to timm's to the bit."""
    kind = preprocessing.interpolation
    rows, columns = (
        _window(length, resized=to, cut=cut, interpolation=kind)
        for length, to, cut in zip((image.height, image.width), resized, preprocessing.image_size, strict=True)
    )
    box = (columns.start, rows.start, columns.stop, rows.stop)
    levels = np.asarray(image.crop(box)).astype(np.int64)  # [h, w, 3]
    levels = _rounded(np.einsum("xw,hwc->hxc", columns.weights, levels))
    levels = _rounded(np.einsum("yh,hxc->yxc", rows.weights, levels))
    return torch.from_numpy(np.ascontiguousarray(levels.astype(np.uint8).transpose(2, 0, 1)))


@dataclass(frozen=True)
class _Window:
    """The pixels `start` to `stop` of an axis that the kept ones come of: `weights` int64 [kept, stop - start]."""

    start: int
    stop: int
    weights: np.ndarray


def _window(length: int, *, resized: int, cut: int, interpolation: str) -> _Window:
    """How the center `cut` of an axis enlarged from `length` to `resized` pixels comes of the axis."""
    scale = length / resized
    kept = round((resized - cut) / 2.0) + np.arange(cut)
    if interpolation == "nearest":
        steps = np.full(kept[-1] + 1, scale)
        steps[0] = scale * 0.5
        found = np.add.accumulate(steps)[kept].astype(np.int64)  # Pillow goes step by step, with each step's rounding
        start, stop = int(found.min()), int(found.max()) + 1
        weights = (found[:, None] == np.arange(start, stop)) * 2**PRECISION_BITS
        return _Window(start, stop, weights)
    centers, (support, filter_) = (kept + 0.5) * scale, FILTERS[interpolation]
    firsts = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    lasts = np.minimum((centers + support + 0.5).astype(np.int64), length)
    start, stop = int(firsts.min()), int(lasts.max())
    weights = np.zeros((cut, stop - start), np.int64)
    for row, (first, last, center) in enumerate(zip(firsts, lasts, centers, strict=True)):
        raw = [filter_(x - center + 0.5) for x in range(first, last)]
        total = sum(raw)
        fractions = [value / total * 2**PRECISION_BITS for value in raw]
        weights[row, first - start : last - start] = [int(value + math.copysign(0.5, value)) for value in fractions]
    return _Window(start, stop, weights)


def _rounded(sums: np.ndarray) -> np.ndarray:
    """Sums of weighted levels as whole levels, as Pillow rounds them."""
    return ((sums + 2 ** (PRECISION_BITS - 1)) >> PRECISION_BITS).clip(0, 255)


def _hamming(x: float) -> float:
    x = abs(x) * math.pi
    if x == 0:
        return 1.0
    # Pillow's constants are of single precision.
    return math.sin(x) / x * (float(np.float32(0.54)) + float(np.float32(0.46)) * math.cos(x)) if x < math.pi else 0.0


def _bicubic(x: float) -> float:
    x = abs(x)
    if x < 1.0:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2.0 else 0.0


def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0


# Of each filter: how far it reaches when an axis is enlarged, and its weight at a distance.
FILTERS: dict[str, tuple[float, Callable[[float], float]]] = {
    "box": (0.5, lambda x: float(-0.5 < x <= 0.5)),
    "bilinear": (1.0, lambda x: max(1.0 - abs(x), 0.0)),
    "hamming": (1.0, _hamming),
    "bicubic": (2.0, _bicubic),
    "lanczos": (3.0, lambda x: _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0),
}
