"""Epochs of batches that never leave their device: drawn, augmented and normalized there, no loader, no workers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from extract.errors import InvalidInputError
from finetune.augmentation import augment, mixing
from finetune.augmentation.keyed_random import permutation
from finetune.recipes import Recipe, small_size

Normalization = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class LabeledImages:
    """Labeled images: uint8 [N, 3, H, W] and int64 [N]."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 4 or shape[1] != 3:
            raise InvalidInputError(
                f"images must be uint8 [N, 3, H, W]; got {self.images.dtype} {shape}. Convert them."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != shape[:1]:
            raise InvalidInputError(
                f"labels must be int64, one for each of {shape[0]} images; got {self.labels.dtype} "
                f"{tuple(self.labels.shape)}. Pass the labels of these very images."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "LabeledImages":
        """The images on `device`."""
        return LabeledImages(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class TrainingBatch:
    """Batch of one forward pass: `inputs` float32 [B, 3, H, W] channels last, `labels` int64 [B].

    A blended batch counts its `labels` with `share` and `other_labels` with the rest. `weight` is the batch's
    part of its update; `key` (epoch, update, part) numbers it.
    """

    inputs: Tensor
    labels: Tensor
    other_labels: Tensor | None
    share: float
    weight: float
    key: tuple[int, int, int]


class NormalizePixels(nn.Module):
    """Levels 0..255 [B, 3, H, W] -> float32, mean 0 and deviation 1 where the images have `mean` and `std`."""

    scale: Tensor  # [3, 1, 1]
    shift: Tensor  # [3, 1, 1]

    def __init__(self, normalization: Normalization) -> None:
        super().__init__()
        mean, std = (torch.tensor(values, dtype=torch.float32).view(3, 1, 1) for values in normalization)
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, levels: Tensor) -> Tensor:
        return torch.addcmul(self.shift, levels.float(), self.scale).contiguous(memory_format=torch.channels_last)


def pixel_statistics(images: Tensor) -> Normalization:
    """The (mean, standard deviation) of each channel of uint8 `images` [N, 3, H, W], in [0, 1]."""
    counts = torch.stack([torch.bincount(images[:, channel].flatten(), minlength=256) for channel in range(3)]).double()
    shares = counts / counts.sum(1, keepdim=True)
    levels = torch.arange(256, dtype=torch.float64, device=images.device) / 255
    mean = shares @ levels
    variance = shares @ levels.square() - mean.square()
    return tuple(mean.tolist()), tuple(variance.clamp(min=1e-6).sqrt().tolist())


class Batches:
    """The batches of any epoch of a training, the same for the same number.

    `train` is on its device already; `resize` (an `extract.backbones.transforms.Resize`, or None) comes after
    augmentation. With `world_count` processes each makes its `rank`-th slice of every batch. Raises
    InvalidInputError for fewer images than a batch, or a batch that the processes cannot share equally.
    """

    def __init__(
        self,
        train: LabeledImages,
        recipe: Recipe,
        *,
        normalization: Normalization,
        seed: int,
        resize: nn.Module | None = None,
        rank: int = 0,
        world_count: int = 1,
    ) -> None:
        if len(train) < recipe.batch_size:
            raise InvalidInputError(
                f"batch size must be at most the number of training images, {len(train)}; got {recipe.batch_size}. "
                "Use --batch-size or more images."
            )
        if recipe.batch_size % (world_count * recipe.accumulate):
            raise InvalidInputError(
                f"batch size must be a multiple of {world_count} processes x {recipe.accumulate} parts; "
                f"got {recipe.batch_size}. Use --batch-size."
            )
        self._train, self._recipe, self._seed = train, recipe, seed
        self._normalize = NormalizePixels(normalization).to(train.images.device)
        self._resize = resize
        self._rank, self._world_count = rank, world_count
        first = train.images[:1]
        height, width = (resize(first) if resize is not None else first).shape[2:]
        self.size = height, width  # of the network's input
        self.steps_per_epoch = len(train) // recipe.batch_size

    def __call__(self, epoch: int) -> Iterator[TrainingBatch]:
        """The batches of `epoch` (from 0), `accumulate` for every update."""
        recipe, size = self._recipe, tuple(self._train.images.shape[2:])
        rows = recipe.batch_size
        order = permutation(len(self._train), key=(self._seed, epoch, "order"))[: self.steps_per_epoch * rows]
        draws = augment.draw(recipe, order, size=(size[0], size[1]), seed=self._seed, epoch=epoch)
        blends = mixing.blends(
            self.steps_per_epoch,
            rows=rows,
            size=self._input_size(epoch),
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
            seed=self._seed,
            epoch=epoch,
        )
        device = self._train.images.device
        order, draws = order.to(device), draws.to(device)
        for step, blend in enumerate(blends):
            places = torch.arange(step * rows, (step + 1) * rows, device=device)
            yield from self._parts(epoch, step, order=order, draws=draws, places=places, blend=blend)

    def inputs(self, epoch: int, *, order: Tensor, draws: augment.Draws) -> Tensor:
        """The network's input for the images `order`, augmented by `draws`."""
        images = augment.augment(self._train.images[order], draws, recipe=self._recipe)
        levels = self._resize(images) if self._resize is not None else images
        size = self._input_size(epoch)
        if size != self.size:
            levels = functional.interpolate(levels.float(), size, mode="bilinear", antialias=True)
        return self._normalize(levels)

    def _parts(
        self,
        epoch: int,
        step: int,
        *,
        order: Tensor,
        draws: augment.Draws,
        places: Tensor,
        blend: mixing.Blend | None,
    ) -> Iterator[TrainingBatch]:
        """This process' slice of one update, in its parts."""
        count = self._recipe.accumulate
        part_rows = len(places) // (self._world_count * count)
        for part in range(count):
            first = (self._rank * count + part) * part_rows
            own = places[first : first + part_rows]
            inputs = self.inputs(epoch, order=order[own], draws=draws.take(own))
            labels, other = self._train.labels[order[own]], None
            if blend is not None:
                partners = places[blend.partners.to(places.device)[first : first + part_rows]]
                others = self.inputs(epoch, order=order[partners], draws=draws.take(partners))
                inputs, other = mixing.apply(inputs, others, blend), self._train.labels[order[partners]]
            share = blend.share if blend is not None else 1.0
            yield TrainingBatch(inputs, labels, other, share, 1 / count, (epoch, step, part))

    def work(self, epoch: int) -> float:
        """The arithmetic of an image in `epoch`, relative to one of the full size."""
        return math.prod(self._input_size(epoch)) / math.prod(self.size)

    def _input_size(self, epoch: int) -> tuple[int, int]:
        height, width = self.size
        if epoch >= math.floor(self._recipe.small_share * self._recipe.epochs + 1e-9):  # the last one is never small
            return height, width
        return small_size(height), small_size(width)
