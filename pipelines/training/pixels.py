"""A data set's splits as uint8 tensors of one size, held in memory: what networks train on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from extract.backbones.transforms import Preprocessing, Resize
from extract.data.bad_images import files, refused_together
from extract.data.datasets import Located
from extract.data.images import ImageSet, ImageSplit, Pixels
from extract.errors import InvalidInputError
from extract.features.embed import source
from extract.runtime.machine import available_memory
from finetune.augmentation.batches import LabeledImages
from pipelines.specs.data import Selection
from pipelines.training.images import chosen

BATCH_ROWS = 256  # decoded at a time


@dataclass(frozen=True)
class Loaded:
    """The splits as they are held, and `resize`, which brings a batch of them to the network's size (None: they are).

    Small images stay as they are and are enlarged on the device, batch by batch; photographs are decoded once,
    at the network's size. `seconds` are what reading each split took.
    """

    splits: dict[str, LabeledImages]
    resize: nn.Module | None
    seconds: dict[str, float]


class TrainingData:
    """The images of a data set that are used, read once, decoded once for all trainings at one size.

    `skipped` are the ids of those that cannot be decoded and are left out.
    """

    def __init__(self, located: Located, selection: Selection, *, splits: Sequence[str] = ("train", "test")) -> None:
        self.images, self.skipped = chosen(located, selection, splits=splits)
        self._loaded: dict[object, Loaded] = {}

    def load(self, preprocessing: Preprocessing, *, progress: Callable[[int, int], None]) -> Loaded:
        """The images as `load` has them."""
        one = preprocessing
        geometry = (one.image_size, one.interpolation, one.crop_fraction, one.crop_mode)
        if geometry not in self._loaded:
            with refused_together(*files(self.images)):
                self._loaded = {geometry: load(self.images, preprocessing, progress=progress)}
        return self._loaded[geometry]


def native_size(images: ImageSet) -> int | None:
    """Image side in pixels where all images are squares in memory; None for photographs."""
    found = images.splits["train"].images
    if isinstance(found, Pixels) and found.array.shape[2] == found.array.shape[3]:
        return int(found.array.shape[2])
    return None


def plain_preprocessing(image_size: int) -> Preprocessing:
    """Preprocessing for a network that has none of its own: bicubic, the center uncropped; mean and std still open."""
    return Preprocessing((image_size, image_size), "bicubic", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0, "center")


def load(images: ImageSet, preprocessing: Preprocessing, *, progress: Callable[[int, int], None]) -> Loaded:
    """Every split in memory, resized as extraction resizes; `progress(done, total)` counts decoded photographs.

    Raises `InvalidInputError` where they do not fit into memory.
    """
    total = sum(len(split) for split in images.splits.values())
    resize = source(images.splits["train"].images, preprocessing).resize
    in_memory = isinstance(resize, Resize)
    if not in_memory:
        _check_memory(total, preprocessing)
    splits, seconds, done = {}, {}, 0
    for name, split in images.splits.items():
        begun = time.perf_counter()
        if in_memory:
            splits[name] = _held(split)
        else:
            splits[name] = _decoded(split, preprocessing, done=lambda rows, before=done: progress(before + rows, total))
        seconds[name] = time.perf_counter() - begun
        done += len(split)
    return Loaded(splits, resize if in_memory and not resize.unchanged else None, seconds)


def take(images: LabeledImages, rows: np.ndarray) -> LabeledImages:
    """The given rows, in their order."""
    index = torch.from_numpy(rows)
    return LabeledImages(images.images[index], images.labels[index])


def _held(split: ImageSplit) -> LabeledImages:
    assert isinstance(split.images, Pixels)  # only what is in memory is resized by matrices
    return LabeledImages(torch.from_numpy(np.ascontiguousarray(split.images.array)), _labels(split))


def _decoded(split: ImageSplit, preprocessing: Preprocessing, *, done: Callable[[int], None]) -> LabeledImages:
    levels = torch.empty((len(split), 3, *preprocessing.image_size), dtype=torch.uint8)
    ranges = [(start, min(start + BATCH_ROWS, len(split))) for start in range(0, len(split), BATCH_ROWS)]
    batches = source(split.images, preprocessing).batches(ranges)
    for (start, stop), batch in zip(ranges, batches, strict=True):
        levels[start:stop] = batch
        done(stop)
    return LabeledImages(levels, _labels(split))


def _labels(split: ImageSplit) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(split.labels))


def _check_memory(total: int, preprocessing: Preprocessing) -> None:
    height, width = preprocessing.image_size
    needed, available = total * 3 * height * width, available_memory()
    if needed > 0.8 * available:
        raise InvalidInputError(
            f"images must fit into memory, {available / 2**30:.1f} GiB here; got {total} of {height} x {width}, which "
            f"take {needed / 2**30:.1f} GiB. Give a smaller --image-size or a --subset."
        )
