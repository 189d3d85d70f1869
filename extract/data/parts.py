"""Parts of CIFAR-10 that a course on deep learning defines, to the image (brain-bzh/efficient-deep-learning, lab 1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from extract.data.images import ImageSet

Rows = dict[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """The `rows` of each split of the data set `of`, by the splits' labels int64 [N], and its first `n_classes`."""

    of: str
    n_classes: int
    rows: Callable[[Mapping[str, np.ndarray]], Rows]

    def take(self, images: ImageSet, name: str) -> ImageSet:
        """This part of `images`, called `name`; its images keep their ids."""
        rows = self.rows({split: one.labels for split, one in images.splits.items()})
        splits = {split: one.take(rows[split]) for split, one in images.splits.items()}
        return ImageSet(name, images.class_names[: self.n_classes], splits)


def _minicifar(labels: Mapping[str, np.ndarray]) -> Rows:
    places = np.random.RandomState(42).choice(5000, 1000, replace=False)
    train = [np.flatnonzero(labels["train"] == label)[places] for label in range(4)]
    test = [np.flatnonzero(labels["test"] == label) for label in range(4)]
    return {"train": np.concatenate(train), "test": np.concatenate(test)}


def _cifar10_15k(labels: Mapping[str, np.ndarray]) -> Rows:
    rows = np.arange(len(labels["train"]))
    np.random.RandomState(2147483647).shuffle(rows)
    return {"train": rows[:15_000], "test": np.arange(len(labels["test"]))}


PARTS = {"minicifar": Part("cifar10", 4, _minicifar), "cifar10-15k": Part("cifar10", 10, _cifar10_15k)}
