"""Color and shape operations on uint8 batches, one strength an image: color jitter and a part of RandAugment."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from finetune.augmentation.keyed_random import Key, integers

Operation = Callable[[Tensor, Tensor, float, int], Tensor]  # images, directions -1 or 1 [B], strength 0 to 1, fill
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2, as Pillow and torchvision weigh red, green and blue
ROUNDS = 2  # RandAugment's N


def draw_operations(count: int, *, key: Key) -> dict[str, Tensor]:
    """Draw two operations for each of `count` images (int64 [count, 2]), and with which signs (bool)."""
    return {
        "operation": integers(len(OPERATIONS), (count, ROUNDS), key=(*key, "operation")),
        "sign": integers(2, (count, ROUNDS), key=(*key, "sign")).bool(),
    }


def adjust(images: Tensor, factors: Tensor) -> Tensor:
    """`images` with brightness, contrast and saturation multiplied, in that order, by `factors` [B, 3].

    Each step rounds down to whole levels, as torchvision's functions on uint8 do.
    """
    for column, step in enumerate((brightness, contrast, saturation)):
        images = step(images, factors[:, column])
    return images


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Levels times `factor` [B]."""
    return _levels(images.float() * _per_image(factor))


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Distances from the image's mean gray times `factor` [B]."""
    mean = _gray(images).floor().mean((1, 2, 3), keepdim=True)
    return _levels(torch.lerp(mean, images.float(), _per_image(factor)))


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Distances from the pixel's gray times `factor` [B]."""
    gray = _gray(images).floor()
    return _levels(torch.lerp(gray.expand(images.shape), images.float(), _per_image(factor)))


def operate(images: Tensor, operation: Tensor, *, signs: Tensor, magnitude: int, fill: int) -> Tensor:
    """Two random operations an image, one after another: a subset of RandAugment (Cubuk et al., 2020).

    Sharpness, autocontrast and invert are absent. At the strongest an image moves by 0.3 of its side,
    in torchvision by 0.45.

    `operation` int64 [B, 2] numbers `OPERATIONS`, `signs` bool [B, 2] gives their direction, `magnitude` 0 to 10
    their strength; `fill` is the level where an operation looks outside the image.
    """
    for column in range(operation.shape[1]):
        images = _once(images, operation[:, column], sign=signs[:, column], magnitude=magnitude, fill=fill)
    return images


def _once(images: Tensor, operation: Tensor, *, sign: Tensor, magnitude: int, fill: int) -> Tensor:
    """Every operation meets the images that drew it: at most as many launches as there are operations."""
    result = images.clone()
    direction = torch.where(sign, 1.0, -1.0)
    for number, apply in enumerate(OPERATIONS.values()):
        rows = (operation == number).nonzero()[:, 0]
        if len(rows):
            result[rows] = apply(images[rows], direction[rows], magnitude / 10, fill)
    return result


def _factor(step: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return lambda images, direction, strength, fill: step(images, 1 + 0.9 * strength * direction)


def posterize(images: Tensor, direction: Tensor, strength: float, fill: int) -> Tensor:
    """Levels with only their 8 - round(4 strength) highest bits."""
    return images & (256 - (1 << round(4 * strength)))


def solarize(images: Tensor, direction: Tensor, strength: float, fill: int) -> Tensor:
    """Levels from 256 (1 - strength) upwards turned round."""
    return torch.where(images.int() >= 256 * (1 - strength), 255 - images, images)


def equalize(images: Tensor, direction: Tensor, strength: float, fill: int) -> Tensor:
    """Every channel's levels spread evenly: Pillow's ImageOps.equalize."""
    flat = images.flatten(2).long()
    counts = torch.zeros(*flat.shape[:2], 256, dtype=torch.int64, device=images.device)
    counts.scatter_add_(2, flat, torch.ones_like(flat))
    last = counts.gather(2, flat.amax(2, keepdim=True))
    step = (flat.shape[2] - last) // 255
    before = counts.cumsum(2) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=images.device))
    return table.gather(2, flat).to(torch.uint8).view(images.shape)


def _affine(rows: Callable[[Tensor, float], Sequence[Tensor | float]]) -> Operation:
    """Each image through its own map from output to input places about its middle, nearest pixel.

    `rows` gives the map's six numbers, of the images' directions and the strength; moves are in half sides.
    """

    def apply(images: Tensor, direction: Tensor, strength: float, fill: int) -> Tensor:
        numbers = [torch.zeros_like(direction) + one for one in rows(direction, strength)]
        height, width = images.shape[2:]  # across each of which places count from -1 to 1
        numbers[1], numbers[3] = numbers[1] * (height / width), numbers[3] * (width / height)
        matrix = torch.stack(numbers, 1).view(-1, 2, 3).float()
        grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
        moved = functional.grid_sample(images.float() - fill, grid, mode="nearest", align_corners=False)
        return (moved + fill).to(torch.uint8)

    return apply


def _turned(direction: Tensor, strength: float) -> Sequence[Tensor | float]:
    angle = math.radians(30) * strength * direction
    return angle.cos(), -angle.sin(), 0, angle.sin(), angle.cos(), 0


def _gray(images: Tensor) -> Tensor:
    weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    return (images.float() * weights).sum(1, keepdim=True)


def _per_image(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _levels(values: Tensor) -> Tensor:
    return values.clamp(0, 255).to(torch.uint8)


# Rotation by up to 30 degrees, counter-clockwise for a positive direction; shears by up to 0.3; moves by up to 0.3 of a
# side.
OPERATIONS: dict[str, Operation] = {
    "identity": lambda images, direction, strength, fill: images,
    "brightness": _factor(brightness),
    "contrast": _factor(contrast),
    "saturation": _factor(saturation),
    "posterize": posterize,
    "solarize": solarize,
    "equalize": equalize,
    "rotate": _affine(_turned),
    "shear_x": _affine(lambda direction, strength: (1, 0.3 * strength * direction, 0, 0, 1, 0)),
    "shear_y": _affine(lambda direction, strength: (1, 0, 0, 0.3 * strength * direction, 1, 0)),
    "translate_x": _affine(lambda direction, strength: (1, 0, 0.6 * strength * direction, 0, 1, 0)),
    "translate_y": _affine(lambda direction, strength: (1, 0, 0, 0, 1, 0.6 * strength * direction)),
}
