"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their standard python layout, checked against the official md5.

The md5 check comes before anything is unpickled: what is read is bit for bit the published file.
"""

import hashlib
import pickle
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from extract.data.images import ImageSet, ImageSplit, Pixels
from extract.errors import CorruptFileError, InvalidInputError, UnavailableError
from extract.runtime.disk import disk_errors
from extract.runtime.locks import Lock


@dataclass(frozen=True)
class _Layout:
    folder: str
    train: dict[str, str]  # file name -> md5
    test: dict[str, str]
    meta: tuple[str, str]
    labels_key: str
    names_key: str


LAYOUTS = {
    "cifar10": _Layout(
        folder="cifar-10-batches-py",
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        meta=("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
        labels_key="labels",
        names_key="label_names",
    ),
    "cifar100": _Layout(
        folder="cifar-100-python",
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        meta=("meta", "7973b15100ade9c7d40fb424638fde48"),
        labels_key="fine_labels",
        names_key="fine_label_names",
    ),
}


def find(name: str, data_dir: Path) -> Path:
    """The folder with the data set's files: `data_dir` itself or its standard sub-folder.

    Raises `InvalidInputError` when neither holds the files.
    """
    layout = LAYOUTS[name]
    for folder in (data_dir / layout.folder, data_dir):
        if (folder / layout.meta[0]).is_file():
            return folder
    raise InvalidInputError(
        f"data directory must hold {layout.folder}; got {str(data_dir)!r}, which does not. "
        "Name its parent with --data-dir, or leave the option out to download the data set."
    )


def is_in(name: str, data_dir: Path) -> bool:
    """Whether all of the data set's files are there; what a killed download left is not."""
    layout = LAYOUTS[name]
    files = (*layout.train, *layout.test, layout.meta[0])
    folders = (data_dir / layout.folder, data_dir)
    return any(all((folder / file).is_file() for file in files) for folder in folders)


def download(name: str, data_dir: Path) -> Path:
    """Downloads the data set into `data_dir` through torchvision and returns its folder.

    It is unpacked beside its place and moved there whole; of two processes that want it, one downloads it.
    """
    import torchvision

    kind = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[name]
    try:
        with disk_errors(data_dir):
            data_dir.mkdir(parents=True, exist_ok=True)
        with disk_errors(data_dir), Lock(data_dir / f".{name}.lock"):
            if not is_in(name, data_dir):
                with tempfile.TemporaryDirectory(dir=data_dir, prefix=f".{name}.") as place:
                    kind(place, download=True)
                    target = data_dir / LAYOUTS[name].folder
                    shutil.rmtree(target, ignore_errors=True)
                    (Path(place) / LAYOUTS[name].folder).rename(target)
    except (OSError, RuntimeError) as error:
        raise UnavailableError(
            f"{name} must be in the data directory {str(data_dir)!r} or downloadable; it is not there and the download "
            f"failed ({error}). Name the directory that has it with --data-dir."
        ) from error
    return find(name, data_dir)


def digest(name: str) -> str:
    """sha256 over the official md5 sums."""
    return hashlib.sha256("".join(_sums(LAYOUTS[name]).values()).encode()).hexdigest()


def check(name: str, folder: Path) -> None:
    """Raises `CorruptFileError` unless every file in `folder` has its official md5 sum."""
    for file_name, md5 in _sums(LAYOUTS[name]).items():
        _checked_bytes(folder / file_name, md5)


def class_names(name: str, folder: Path) -> tuple[str, ...]:
    """The names of the classes in the order of their labels."""
    layout = LAYOUTS[name]
    return tuple(_unpickled(folder, *layout.meta)[layout.names_key])


def superclasses(name: str, folder: Path) -> dict[str, tuple[str, ...]]:
    """The classes of each superclass of CIFAR-100 by its name; none of CIFAR-10."""
    layout = LAYOUTS[name]
    groups = _unpickled(folder, *layout.meta).get("coarse_label_names", [])
    if not groups:
        return {}
    train = _unpickled(folder, *next(iter(layout.train.items())))
    names = class_names(name, folder)
    pairs = sorted(set(zip(train["coarse_labels"], train["fine_labels"], strict=True)))
    return {group: tuple(names[fine] for coarse, fine in pairs if coarse == at) for at, group in enumerate(groups)}


def load(name: str, folder: Path) -> ImageSet:
    """The data set from `folder`: uint8 [N, 3, 32, 32], 50,000 training and 10,000 test images."""
    layout = LAYOUTS[name]
    files = {"train": layout.train, "test": layout.test}
    splits = {split: _split(folder, files[split], labels_key=layout.labels_key, split=split) for split in files}
    return ImageSet(name, class_names(name, folder), splits)


def _split(folder: Path, files: dict[str, str], *, labels_key: str, split: str) -> ImageSplit:
    batches = [_unpickled(folder, name, md5) for name, md5 in files.items()]
    array = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([np.asarray(batch[labels_key], np.int64) for batch in batches])
    return ImageSplit(Pixels(array), labels, tuple(f"{split}/{row:05d}" for row in range(len(labels))))


def _sums(layout: _Layout) -> dict[str, str]:
    return {**layout.train, **layout.test, layout.meta[0]: layout.meta[1]}


def _unpickled(folder: Path, name: str, md5: str) -> dict[str, Any]:
    return pickle.loads(_checked_bytes(folder / name, md5), encoding="latin1")  # noqa: S301 (the md5 is the official one)


def _checked_bytes(path: Path, md5: str) -> bytes:
    if not path.is_file():
        raise CorruptFileError(
            f"{path.name} must be in {str(path.parent)!r}; it is missing. Download the data set again."
        )
    content = path.read_bytes()
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != md5:
        raise CorruptFileError(
            f"{str(path)!r} must have the official md5 {md5}; got {actual}. Download the data set again."
        )
    return content
