"""How alike two small pictures are, at the best shift and zoom of either, or of its mirror image.

The score is `z * p`. p is the correlation of the pixels and h that of their details (what a blur takes away), each at
the best of all shifts, as they are, mirrored, or with one of them cropped by two pixels. z is h after Fisher, in
standard errors of as many values as the details effectively have: a ship or a plane before an empty sky is like any
other, and says little.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SIDE, SHIFT, BLUR = 32, 4, 1.5
ROWS = 250  # pairs at a time: what they need stays in a cache
ZOOM = 2  # pixels that a crop may have taken from each edge
LEAST_DETAIL, LEAST_PIXELS = 0.25, 0.65  # correlations below which a pair is no copy: the rest is not computed


def unit(values: Tensor) -> Tensor:
    """Rows [N, D] less their mean, of length 1, so that products are correlations."""
    centered = values - values.mean(1, keepdim=True)
    return centered / centered.norm(dim=1, keepdim=True).clamp_min(1e-3)


def scores(
    pairs: Tensor, images: Tensor, *, crops: bool = True, progress: Callable[[int], None] = lambda done: None
) -> tuple[Tensor, Tensor]:
    """(score, correlation of the pixels) float32 [P] of the `pairs` int64 [P, 2] of rows of `images` [N, 3, 32, 32]."""
    found, pixels = torch.zeros(2, len(pairs))
    for start in range(0, len(pairs), ROWS):
        left, right = (images[side].float() for side in pairs[start : start + ROWS].T)
        detail = registered(details(left), details(right), crops=crops)
        progress(start + len(left))
        rows = torch.nonzero(detail > LEAST_DETAIL)[:, 0]
        if not len(rows):  # no transform takes an empty batch
            continue
        alike = registered(left[rows], right[rows], crops=crops)
        count = torch.minimum(effective_count(left[rows]), effective_count(right[rows]))
        z = torch.atanh(detail[rows].clamp_max(0.9999)) * count.sqrt()
        found[start + rows] = torch.where(alike > LEAST_PIXELS, z * alike, 0)
        pixels[start + rows] = alike
    return found, pixels


def details(images: Tensor) -> Tensor:
    """What a blur takes away of images [N, C, 32, 32]."""
    return images - _along_both(_blur(), images)


def effective_count(images: Tensor) -> Tensor:
    """[N]: pixels over which the energy of an image's details is spread, its participation ratio."""
    energy = _along_both(_blur(), details(images).square().mean(1))[..., SHIFT:-SHIFT, SHIFT:-SHIFT].flatten(1)
    return energy.sum(1).square() / energy.square().sum(1).clamp_min(1e-6)


def registered(images: Tensor, others: Tensor, *, crops: bool) -> Tensor:
    """[N]: the best correlation of `images` with `others` [N, 3, 32, 32] at any shift; mirrored, and cropped, too."""
    plain = shifted_correlation(images, others, mirrored=True)
    return torch.maximum(plain, shifted_correlation(*_zoomed(images, others))) if crops else plain


def shifted_correlation(images: Tensor, others: Tensor, *, mirrored: bool = False) -> Tensor:
    """[N]: the best correlation of the middle of `others` with `images` [N, 3, 32, 32] under all shifts.

    `mirrored` tries the mirror images of `images` as well.
    """
    middle = others[..., SHIFT:-SHIFT, SHIFT:-SHIFT]
    patterns = functional.pad(unit(middle.flatten(1)).view_as(middle), (SHIFT,) * 4)
    spectrum, spread = torch.fft.rfft2(patterns).conj(), _spread(images, middle.shape[-1])

    def best(views: Tensor, spread: Tensor) -> Tensor:
        products = torch.fft.irfft2((torch.fft.rfft2(views) * spectrum).sum(1), s=views.shape[-2:])
        shifts = products.roll((SHIFT, SHIFT), (1, 2))[:, : 2 * SHIFT + 1, : 2 * SHIFT + 1]  # none of them wraps round
        return (shifts / spread).flatten(1).amax(1).float()

    plain = best(images, spread)
    return torch.maximum(plain, best(images.flip(-1), spread.flip(-1))) if mirrored else plain


def _spread(images: Tensor, side: int) -> Tensor:
    """The root of the sum of squares about the mean of every square of that `side` in images [N, 3, 32, 32]."""

    def summed(values: Tensor) -> Tensor:
        total = functional.pad(values.sum(1, dtype=torch.float64).cumsum(1).cumsum(2), (1, 0, 1, 0))
        rows = total[:, side:] - total[:, :-side]
        return rows[..., side:] - rows[..., :-side]

    squares = summed(images.square()) - summed(images).square() / (3 * side**2)
    return squares.clamp_min(1e-3).sqrt().float()


def _zoomed(images: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs with one of them, as it is or mirrored, cropped by `ZOOM` and enlarged: that which is most alike."""
    large, sides = _along_both(_enlargement(), torch.stack([images, others])), (images, images.flip(-1))
    ways = [(large[0], others), (large[0].flip(-1), others), *((side, large[1]) for side in sides)]
    alike = torch.stack([functional.cosine_similarity(left.flatten(1), right.flatten(1)) for left, right in ways])
    best = alike.argmax(0)
    left, right = (torch.stack(side)[best, torch.arange(len(images))] for side in zip(*ways, strict=True))
    return left, right


def _along_both(matrix: Tensor, images: Tensor) -> Tensor:
    """Images [..., 32, 32] under a linear map [32, 32] of their columns and rows."""
    return matrix @ images @ matrix.T


@functools.cache
def _blur() -> Tensor:
    """A Gaussian blur of a line of pixels, reflected at its ends: [32, 32]."""
    reach = math.ceil(2.5 * BLUR)
    weights = torch.exp(-(torch.arange(-float(reach), reach + 1) ** 2) / (2 * BLUR**2))
    lines = functional.pad(torch.eye(SIDE)[None], (reach, reach), mode="reflect")[0]
    return functional.conv1d(lines[:, None], (weights / weights.sum()).view(1, 1, -1))[:, 0].T.contiguous()


@functools.cache
def _enlargement() -> Tensor:
    """The middle of a line of pixels without `ZOOM` at each end, at the length of the whole: [32, 32]."""
    middle = torch.eye(SIDE)[:, None, ZOOM:-ZOOM]
    return functional.interpolate(middle, size=SIDE, mode="linear")[:, 0].T.contiguous()
