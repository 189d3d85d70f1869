"""Augmentation of uint8 batches on their device: every image has its own draws, and no image costs Python.

What is drawn is drawn for a whole epoch, image by image, and lies in `Draws`; what is computed takes a batch and
its draws. So a batch can be computed again, in parts, or on several machines, with the same result.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.augmentation import color
from finetune.augmentation.keyed_random import integers, uniform
from finetune.recipes import Recipe

GRAY = 128  # what cutout leaves: close to the mean of photographs


@dataclass(frozen=True)
class Draws:
    """The draws for N images: tensors [N, ...] by name; what a recipe leaves out is absent."""

    values: Mapping[str, Tensor]

    def take(self, rows: Tensor | slice) -> "Draws":
        """The draws of these images."""
        return Draws({name: value[rows] for name, value in self.values.items()})

    def to(self, device: torch.device) -> "Draws":
        """The draws on `device`."""
        return Draws({name: value.to(device) for name, value in self.values.items()})


def draw(recipe: Recipe, order: Tensor, *, size: tuple[int, int], seed: int, epoch: int) -> Draws:
    """The draws of `epoch` for images of `size` in the `order` [N] (image numbers) in which they come.

    Each kind has a generator of its own, keyed by (seed, epoch, kind): one kind more or less leaves the others.
    """
    count, values = len(order), {}
    if recipe.crop:
        values["shift"] = integers(2 * recipe.crop + 1, (count, 2), key=(seed, epoch, "crop")) - recipe.crop
    if recipe.flip == "random":
        values["flip"] = integers(2, (count,), key=(seed, epoch, "flip")).bool()
    if recipe.flip == "alternating":
        sides = integers(2, (int(order.max()) + 1,), key=(seed, "side"))  # of every image, for the whole training
        values["flip"] = ((sides[order] + epoch) % 2).bool()
    if recipe.cutout:
        rows, columns = (
            integers(length, (count,), key=(seed, epoch, kind))
            for length, kind in zip(size, ("cutout rows", "cutout columns"), strict=True)
        )
        values["cutout"] = torch.stack([rows, columns], 1)
    if recipe.color_jitter:
        values["color"] = 1 + recipe.color_jitter * (2 * uniform((count, 3), key=(seed, epoch, "color")) - 1)
    if recipe.randaugment:
        values |= color.draw_operations(count, key=(seed, epoch))
    return Draws(values)


def augment(images: Tensor, draws: Draws, *, recipe: Recipe) -> Tensor:
    """uint8 [B, 3, H, W], channels last in memory, from uint8 `images` of that shape: crop, flip, color, cutout."""
    values = draws.values
    result = crop_and_flip(images, values.get("shift"), values.get("flip"), padding=recipe.crop_padding)
    if "color" in values:
        result = color.adjust(result, values["color"])
    if "operation" in values:
        result = color.operate(
            result, values["operation"], signs=values["sign"], magnitude=recipe.randaugment, fill=GRAY
        )
    if "cutout" in values:
        result = cut_out(result, values["cutout"], side=recipe.cutout)
    return result


def crop_and_flip(images: Tensor, shift: Tensor | None, flip: Tensor | None, *, padding: str) -> Tensor:
    """`images` seen through a window of their own size, moved by `shift` int64 [B, 2] (rows, columns), then mirrored.

    Outside of an image lie zeros, or with padding "reflect" its mirror image without the edge repeated. That is
    what padding, cropping at shift + padding and flipping give; here it is one gather.
    """
    batch, _, height, width = images.shape
    rows = torch.arange(height, device=images.device).expand(batch, height)
    columns = torch.arange(width, device=images.device).expand(batch, width)
    if flip is not None:
        columns = torch.where(flip[:, None], width - 1 - columns, columns)
    if shift is not None:
        rows, columns = rows + shift[:, :1], columns + shift[:, 1:]
    seen_rows, seen_columns = (
        (_reflected(place, length) if padding == "reflect" else place.clamp(0, length - 1))
        for place, length in ((rows, height), (columns, width))
    )
    picked = images[
        torch.arange(batch, device=images.device)[:, None, None], :, seen_rows[:, :, None], seen_columns[:, None, :]
    ]  # [B, H, W, 3]
    if shift is not None and padding == "zero":
        inside = (rows == seen_rows)[:, :, None] & (columns == seen_columns)[:, None, :]
        picked = picked * inside[..., None]
    return picked.permute(0, 3, 1, 2)


def cut_out(images: Tensor, centers: Tensor, *, side: int) -> Tensor:
    """`images` with a gray square of `side` pixels around `centers` int64 [B, 2]; it may stick out of the image.

    (DeVries and Taylor, "Improved regularization with cutout", 2017.) An even square reaches one pixel further
    up and left.
    """
    within = []
    for axis, length in enumerate(images.shape[2:]):
        first = centers[:, axis, None] - side // 2
        places = torch.arange(length, device=images.device)
        within.append((places >= first) & (places < first + side))
    square = within[0][:, None, :, None] & within[1][:, None, None, :]
    return images.masked_fill(square, GRAY)


def _reflected(place: Tensor, length: int) -> Tensor:
    return (length - 1 - (length - 1 - place.abs()).abs()).clamp(0, length - 1)
