"""mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019): batches blended with themselves."""

from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.augmentation.keyed_random import permutation, uniform


@dataclass(frozen=True)
class Blend:
    """Mixing of one batch. Image i gets `share` of itself and the rest of image `partners[i]`, int64 [B].

    Without `box` the pixels are averaged; with it (top, bottom, left, right) the partner's pixels are pasted
    there, and `share` is the area that is left.
    """

    partners: Tensor
    share: float
    box: tuple[int, int, int, int] | None = None


def blends(
    steps: int, *, rows: int, size: tuple[int, int], mixup: float, cutmix: float, seed: int, epoch: int
) -> list[Blend | None]:
    """The blend of every batch of an epoch: None throughout where both alphas are 0; with both, one or the other."""
    if not (mixup or cutmix):
        return [None] * steps
    from scipy.special import betaincinv  # not for those who mix nothing

    draws = uniform((steps, 4), key=(seed, epoch, "blend")).double().tolist()
    made: list[Blend | None] = []
    for step, (kind, share, y, x) in enumerate(draws):
        partners = permutation(rows, key=(seed, epoch, "partners", step))
        cuts = cutmix > 0 and (mixup == 0 or kind < 0.5)
        alpha = cutmix if cuts else mixup
        blended = float(betaincinv(alpha, alpha, share))  # the inverse of the Beta distribution
        made.append(_cut(partners, blended, place=(y, x), size=size) if cuts else Blend(partners, blended))
    return made


def apply(images: Tensor, others: Tensor, blend: Blend) -> Tensor:
    """`images` [B, 3, H, W] blended with `others`, their partners."""
    if blend.box is None:
        return torch.lerp(others, images, blend.share)
    top, bottom, left, right = blend.box
    result = images.clone()
    result[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return result


def _cut(partners: Tensor, share: float, *, place: tuple[float, float], size: tuple[int, int]) -> Blend:
    """A box of 1 - `share` of the area around a random place, as far as it lies inside."""
    edges: list[int] = []
    for center, length in zip(place, size, strict=True):
        middle, half = int(center * length), int(length * (1 - share) ** 0.5) // 2
        edges += [max(middle - half, 0), min(middle + half, length)]
    area = (edges[1] - edges[0]) * (edges[3] - edges[2])
    return Blend(partners, 1 - area / (size[0] * size[1]), (edges[0], edges[1], edges[2], edges[3]))
