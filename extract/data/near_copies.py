"""Test images of CIFAR-10 that have a near-copy among its training images, or among the test images before them.

`benchmarks/near_copies.py` found them; the list is fixed, by ids. Barz and Denzler ("Do we train on test data? Purging
CIFAR of near-duplicates", 2020) were the first to leave such images out.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from extract.data import datasets

PATH = Path(__file__).with_name("cifar10_near_copies.csv")


@functools.cache
def near_copies() -> dict[str, str]:
    """The id of each listed test image, and that of the image of which it is a near-copy."""
    return dict(line.split(",") for line in PATH.read_text().splitlines())


def rows_without(ids: Sequence[str], *, dataset: str, digest: str, classes: Sequence[str] | None) -> np.ndarray | None:
    """Rows int64 of the test images `ids` that are not listed; None where these are not test images of CIFAR-10.

    `digest` tells what a data set of that name is, with these `classes` of it: a folder may bear the name.
    """
    if dataset not in datasets.NAMES or datasets.published(dataset) != "cifar10":
        return None
    if datasets.digest(dataset, None if classes is None else tuple(classes)) != digest:
        return None
    return np.array([row for row, name in enumerate(ids) if name not in near_copies()], np.int64)
