"""Image sets: named splits of labeled images, held in memory or decoded as they are needed.

A split's images come either as one uint8 array [N, 3, H, W] (small images, all of one size: `Pixels`) or as a list
of files (`Files`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from extract.decoding.decode import MAX_PIXELS
from extract.errors import InvalidInputError


@dataclass(frozen=True)
class Pixels:
    """Images in memory: `array` uint8 [N, 3, H, W], RGB."""

    array: np.ndarray

    def __len__(self) -> int:
        return len(self.array)

    def take(self, rows: np.ndarray) -> "Pixels":
        """The images of these rows, in their order."""
        return Pixels(self.array[rows])


@dataclass(frozen=True)
class Files:
    """Images on disk, of any size and common format: `names` are their paths below `root`."""

    names: tuple[str, ...]
    root: Path = Path()
    max_pixels: int = MAX_PIXELS  # of one image; a larger one is unreadable

    def __len__(self) -> int:
        return len(self.names)

    def path(self, row: int) -> Path:
        """Path of the file of a row; it is made here, for a million of them would take far more than their names."""
        return self.root / self.names[row]

    def paths(self) -> Iterator[Path]:
        """The paths of all files, in order."""
        return map(self.root.joinpath, self.names)

    @classmethod
    def at(cls, paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> "Files":
        """Files wherever they are."""
        return cls(tuple(map(str, paths)), max_pixels=max_pixels)

    def take(self, rows: np.ndarray) -> "Files":
        """The files of these rows, in their order."""
        return replace(self, names=tuple(self.names[row] for row in rows))


@dataclass(frozen=True)
class ImageSplit:
    """Labeled images: `labels` int64 [N], `ids` N distinct strings that name the images for people.

    `groups` int64 [N] number the patient, object or day that an image is of, alike in all splits; None without.
    """

    images: Pixels | Files
    labels: np.ndarray
    ids: tuple[str, ...]
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "ImageSplit":
        """The given rows, in their order."""
        groups = None if self.groups is None else self.groups[rows]
        return ImageSplit(self.images.take(rows), self.labels[rows], tuple(self.ids[row] for row in rows), groups)


@dataclass(frozen=True)
class ImageSet:
    """A data set: its class names and its splits, `train` and `test`. Labels index the class names.

    `notices` are sentences on how it was read that people should know.
    """

    name: str
    class_names: tuple[str, ...]
    splits: dict[str, ImageSplit]
    notices: tuple[str, ...] = ()

    @property
    def image_count(self) -> int:
        """Images over all splits."""
        return sum(map(len, self.splits.values()))

    def of_classes(self, names: tuple[str, ...]) -> "ImageSet":
        """The images of the classes `names` alone, rows in their order; `InvalidInputError` where a split has none."""
        labels = np.array([self.class_names.index(name) for name in names])
        splits = {}
        for split, one in self.splits.items():
            taken = one.take(np.flatnonzero(np.isin(one.labels, labels)))
            if not len(taken):
                raise InvalidInputError(
                    f"classes must have images in every split; got none of {', '.join(names[:5])} in {split}. "
                    "Check --classes and --exclude-classes."
                )
            order = np.argsort(labels)
            splits[split] = replace(taken, labels=order[np.searchsorted(labels, taken.labels, sorter=order)])
        return replace(self, class_names=names, splits=splits)

    def limited(self, max_pixels: int) -> "ImageSet":
        """The data set whose files may have at most `max_pixels` each."""
        limited = {
            name: replace(split, images=replace(split.images, max_pixels=max_pixels))
            for name, split in self.splits.items()
            if isinstance(split.images, Files)
        }
        return replace(self, splits={**self.splits, **limited})


def subset(images: ImageSet, *, train: int | None, test: int | None, seed: int) -> ImageSet:
    """The data set with a stratified, seeded part of `train` training images and `test` test images.

    None keeps a split whole. Rows keep their order; every class keeps its share within one image. Raises
    `InvalidInputError` for more images than there are, and where a class would have no training image.
    """
    splits = dict(images.splits)
    for name, option, count in (("train", "--subset", train), ("test", "--test-subset", test)):
        if count is None:
            continue
        if not 1 <= count <= len(splits[name]):
            raise InvalidInputError(
                f"{option} must be from 1 to the {len(splits[name])} {name} images that the data set has; got {count}."
            )
        splits[name] = splits[name].take(stratified_rows(splits[name].labels, count, seed=seed))
    if train is not None:
        _check_classes(images, splits["train"].labels)
    return replace(images, splits=splits)


def _check_classes(images: ImageSet, kept: np.ndarray) -> None:
    labels, counts = np.unique(images.splits["train"].labels, return_counts=True)
    absent = np.setdiff1d(labels, kept)
    if len(absent):
        enough = -(-int(counts.sum()) // int(counts.min()))  # the smallest class' share of them is one image
        raise InvalidInputError(
            f"--subset must keep a training image of each of the {len(labels)} classes; got {len(kept)} images, none "
            f"of {', '.join(images.class_names[label] for label in absent[:5])}. Use --subset {enough} or more."
        )


def stratified_rows(labels: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Sorted rows of a stratified sample of `count` of the `labels` [N]: int64 [count].

    Each class gives floor or ceil of its proportional share (largest remainders first), at random.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    shares = sizes * count / len(labels)
    quotas = np.floor(shares).astype(np.int64)
    rng = np.random.default_rng(seed)
    remainders = shares - quotas + rng.random(len(classes)) * 1e-9  # ties fall at random, not to the first class
    quotas[np.argsort(-remainders)[: count - quotas.sum()]] += 1
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:quota] for label, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(chosen))
