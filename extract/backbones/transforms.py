"""The backbone's own preprocessing: as data that a spec can hold, and as arithmetic on the device.

Resizing an image is linear, so a set of equal-sized images is resized along one axis and then the other
(`extract.backbones.resampling`), in the order that Pillow takes them, each result rounded to whole levels as Pillow
rounds. So the result is what timm's transform gives, level by level.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from extract.backbones.resampling import FILTERS, Axis, resize_matrix
from extract.backbones.weights_preprocessing import KnownPreprocessing
from extract.errors import InvalidInputError
from extract.runtime.devices import split_graph


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of the images of a backbone. `image_size` (height, width) pixels; mean and std of values in [0, 1].

    `crop_mode` is timm's: "center" resizes the shorter side to image_size / crop_fraction and cuts the
    center, "squash" resizes both sides, "border" resizes the longer side and pads.
    """

    image_size: tuple[int, int]
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crop_fraction: float
    crop_mode: str

    def as_dict(self) -> KnownPreprocessing:
        """The fields as JSON primitives."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def updated(self, known: KnownPreprocessing) -> "Preprocessing":
        """The same with the fields that are `known` otherwise (`extract.backbones.weights_preprocessing`)."""
        return replace(self, **{key: tuple(one) if isinstance(one, list) else one for key, one in known.items()})


def from_timm(config: dict[str, Any], *, image_size: int | None = None) -> Preprocessing:
    """The preprocessing of a timm data configuration (`timm.data.resolve_model_data_config`).

    `image_size` (pixels, square) replaces the configured one.
    """
    if config["input_size"][0] != 3:
        raise InvalidInputError(f"backbone must take RGB images; got one with {config['input_size'][0]} channels.")
    interpolation = config["interpolation"]
    found = Preprocessing(
        image_size=tuple(config["input_size"][1:]),
        interpolation=interpolation if interpolation in FILTERS else "bicubic",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        crop_fraction=float(config["crop_pct"]),
        crop_mode=config["crop_mode"],
    )
    return found if image_size is None else replace(found, image_size=(image_size, image_size))


def pillow_transform(preprocessing: Preprocessing) -> Callable[[Image.Image], Tensor]:
    """timm's own evaluation transform without its normalization: PIL image -> uint8 [3, H, W]."""
    from timm.data.transforms_factory import create_transform

    return create_transform(  # type: ignore[return-value]
        input_size=(3, *preprocessing.image_size),
        is_training=False,
        interpolation=preprocessing.interpolation,
        mean=preprocessing.mean,
        std=preprocessing.std,
        crop_pct=preprocessing.crop_fraction,
        crop_mode=preprocessing.crop_mode,
        normalize=False,
    )


class Resize(nn.Module):
    """uint8 [B, 3, h, w] -> float32 [B, 3, H, W] in whole levels 0..255: timm's resize and crop."""

    def __init__(self, preprocessing: Preprocessing, *, height: int, width: int) -> None:
        super().__init__()
        resized = resized_lengths(preprocessing, height=height, width=width)
        kind = preprocessing.interpolation
        cut_height, cut_width = preprocessing.image_size
        self.rows = Axis(
            resize_matrix(height, resized=resized[0], cut=cut_height, interpolation=kind), transposed=False
        )
        self.columns = Axis(
            resize_matrix(width, resized=resized[1], cut=cut_width, interpolation=kind), transposed=True
        )
        self.cut_height = cut_height
        self.unchanged = (height, width) == resized == preprocessing.image_size
        self.columns_first = _columns_first(height, width, resized=resized, interpolation=kind)

    def forward(self, images: Tensor) -> Tensor:
        if self.unchanged:
            return images.float()
        if not self.columns_first:
            return self.columns(self.rows(images.float()))
        batch, channels, height, _ = images.shape
        narrow = self.columns(images.float())  # [B, 3, h, W]
        # The large product runs over [h, W * 3], so its result lies channels-last as the network wants it.
        flat = narrow.permute(0, 2, 3, 1).reshape(batch, height, -1)
        split_graph()
        return self.rows(flat).view(batch, self.cut_height, -1, channels).permute(0, 3, 1, 2)


class Normalize(nn.Module):
    """Levels 0..255 [B, 3, H, W], any dtype -> the network's input in `dtype`, channels last."""

    scale: Tensor  # [3]
    shift: Tensor  # [3]

    def __init__(self, preprocessing: Preprocessing, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        mean, std = (torch.tensor(value) for value in (preprocessing.mean, preprocessing.std))
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, levels: Tensor) -> Tensor:
        batch, channels, height, width = levels.shape
        rows = levels.float().permute(0, 2, 3, 1).reshape(batch, height, -1)  # one loop, no channel of its own
        normalized = rows * self.scale.repeat(width) + self.shift.repeat(width)
        return normalized.to(self.dtype).view(batch, height, width, channels).permute(0, 3, 1, 2)


def resizes_by_matrix(preprocessing: Preprocessing, *, height: int, width: int) -> bool:
    """Whether `Resize` covers this case; padding ("border" beyond the image) and odd shapes go through Pillow."""
    square = preprocessing.image_size[0] == preprocessing.image_size[1]
    rows, columns = resized_lengths(preprocessing, height=height, width=width)
    fits = rows >= preprocessing.image_size[0] and columns >= preprocessing.image_size[1]
    return square and fits and preprocessing.crop_mode in ("center", "squash")


def resized_lengths(preprocessing: Preprocessing, *, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) after resizing and before the cut, as timm and torchvision compute them."""
    target = [math.floor(side / preprocessing.crop_fraction) for side in preprocessing.image_size]
    if preprocessing.crop_mode == "squash":
        return target[0], target[1]
    ratios = height / target[0], width / target[1]
    if preprocessing.crop_mode == "border":
        return round(height / max(ratios)), round(width / max(ratios))
    if target[0] != target[1]:
        return round(height / min(ratios)), round(width / min(ratios))
    if height <= width:
        return target[0], int(target[0] * width / height)
    return int(target[0] * height / width), target[0]


def _columns_first(height: int, width: int, *, resized: tuple[int, int], interpolation: str) -> bool:
    """Whether this Pillow resizes columns before rows here: from version 13 it takes the cheaper order.

    The order shows in the rounding between the passes, so one image resized both ways tells which it was.
    """
    probe = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    expected = np.asarray(Image.fromarray(probe).resize((resized[1], resized[0]), FILTERS[interpolation])).astype(
        np.float32
    )
    rows, columns = (
        Axis(resize_matrix(length, resized=to, cut=to, interpolation=interpolation), transposed=transposed)
        for length, to, transposed in ((height, resized[0], False), (width, resized[1], True))
    )
    values = torch.tensor(probe).float()
    one, other = rows(columns(values)), columns(rows(values))
    return bool((one - torch.tensor(expected)).abs().sum() <= (other - torch.tensor(expected)).abs().sum())
