"""Data sets that torchvision reads, by name, where their files are. Nothing is downloaded."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from extract.data.containers.arrays import ArraySet, levels
from extract.errors import CorruptFileError, InvalidInputError
from extract.runtime.disk import file_sha256

_IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class TorchvisionSet:
    """A data set of torchvision's class `kind`: its `files` in the data directory, the arguments of each split."""

    kind: str
    files: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, Mapping[str, object]]
    labels: str = "targets"


_BY_TRAIN = {"train": {"train": True}, "test": {"train": False}}
_BY_NAME = {"train": {"split": "train"}, "test": {"split": "test"}}
SETS = {
    "mnist": TorchvisionSet("MNIST", tuple(f"MNIST/raw/{name}" for name in _IDX), _DIGITS, _BY_TRAIN),
    "fashion-mnist": TorchvisionSet(
        "FashionMNIST",
        tuple(f"FashionMNIST/raw/{name}" for name in _IDX),
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        _BY_TRAIN,
    ),
    "svhn": TorchvisionSet("SVHN", ("train_32x32.mat", "test_32x32.mat"), _DIGITS, _BY_NAME, "labels"),
    "stl10": TorchvisionSet(
        "STL10",
        tuple(f"stl10_binary/{name}.bin" for name in ("train_X", "train_y", "test_X", "test_y")),
        ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
        _BY_NAME,
        "labels",
    ),
}


def find(name: str, data_dir: Path) -> str:
    """The digest of a data set's files in `data_dir`. Raises `InvalidInputError` where one is missing."""
    one = SETS[name]
    missing = [file for file in one.files if not (data_dir / file).is_file()]
    if missing:
        raise InvalidInputError(
            f"data directory must hold {missing[0]} for {name}; got {str(data_dir)!r}, which does not. Name it with "
            f"--data-dir, or download once: torchvision.datasets.{one.kind}(DIR, download=True)."
        )
    return hashlib.sha256("".join(file_sha256(data_dir / file) for file in one.files).encode()).hexdigest()


def load(name: str, data_dir: Path) -> ArraySet:
    """The images and labels as torchvision reads them. Raises `CorruptFileError` where it cannot."""
    import torchvision

    one = SETS[name]
    splits = {}
    for split, arguments in one.splits.items():
        try:
            found = getattr(torchvision.datasets, one.kind)(data_dir, **arguments)
        except Exception as error:  # torchvision raises whatever it stumbles over: AssertionError, struct.error, ...
            raise CorruptFileError(
                f"{name} must be as it was published; got {str(data_dir)!r}, which torchvision does not read "
                f"({error}). Download it again."
            ) from error
        labels = np.asarray(getattr(found, one.labels)).astype(np.int64)
        splits[split] = (levels(np.asarray(found.data), what=f"images of {name}"), labels)
    return ArraySet(one.class_names, splits)
