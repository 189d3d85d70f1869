"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships (UCI, Alpaydin and Kaynak 1998)."""

import functools
import importlib.util
from pathlib import Path

import numpy as np

from extract.data.images import ImageSet, ImageSplit, Pixels, stratified_rows
from extract.errors import UnavailableError
from extract.runtime.disk import file_sha256

TEST_COUNT = 360  # a fifth; the split never changes, so that runs with different seeds share their test images
SPLIT_SEED = 0
CLASS_NAMES = tuple(str(digit) for digit in range(10))


def fingerprint() -> str:
    """sha256 of the data file inside scikit-learn."""
    return file_sha256(shipped("data", "digits.csv.gz"))


def shipped(kind: str, name: str) -> Path:
    """Path of a file of scikit-learn's data sets ("data" or "images"), found without importing it (1 s)."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise UnavailableError(
            "scikit-learn must be installed for its digits and photographs; it is not. pip install scikit-learn."
        )
    return Path(found.origin).parent / "datasets" / kind / name


def load() -> ImageSet:
    """The digits as uint8 [N, 3, 8, 8] (gray repeated), 1,437 training and 360 test images, stratified."""
    pixels, target = _read()
    gray = np.round(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    array = np.repeat(gray[:, None], 3, axis=1)
    labels = target.astype(np.int64)
    test = stratified_rows(labels, TEST_COUNT, seed=SPLIT_SEED)
    train = np.setdiff1d(np.arange(len(labels)), test)
    everything = ImageSplit(Pixels(array), labels, tuple(f"digit/{row:04d}" for row in range(len(labels))))
    return ImageSet("digits", CLASS_NAMES, {"train": everything.take(train), "test": everything.take(test)})


@functools.cache
def _read() -> tuple[np.ndarray, np.ndarray]:
    """Gray values from 0 to 16 [N, 64], and labels [N]: 1,797 lines of text."""
    from sklearn.datasets import load_digits

    pixels, target = load_digits(return_X_y=True)
    return np.asarray(pixels), np.asarray(target)
