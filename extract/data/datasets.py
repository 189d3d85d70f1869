"""Data sets by name: where they are, what they contain (a digest, without torch), and the images."""

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from extract.data import cifar, digits, folder
from extract.data.contents import Contents, Progress, silent
from extract.data.folder import Folder
from extract.data.images import ImageSet
from extract.decoding.decode import MAX_PIXELS
from extract.errors import InvalidInputError, nearest


@dataclass(frozen=True)
class Facts:
    """Facts about a data set before it is read: images of its splits, classes, pixels of a side.

    `mirrors` says whether a mirrored image is an image of the same class: a mirrored digit is none.
    """

    train_count: int
    test_count: int
    class_count: int
    side: int
    mirrors: bool = True


FACTS = {
    "cifar10": Facts(50_000, 10_000, 10, side=32),
    "cifar100": Facts(50_000, 10_000, 100, side=32),
    "digits": Facts(1_437, 360, 10, side=8, mirrors=False),
}
NAMES = tuple(FACTS)


@dataclass(frozen=True)
class Located:
    """A data set that was found: `name` for people and file names, its content's sha256, its place.

    `notices` are sentences on how it was found and read; `folder` is what a folder of photographs holds.
    """

    name: str
    digest: str
    place: Path | None
    notices: tuple[str, ...] = ()
    folder: Folder | None = field(default=None, repr=False)
    max_pixels: int = MAX_PIXELS  # of one image; a larger one is unreadable


_Request = tuple[str, Path | None, Path]
_FOUND: ContextVar[dict[_Request, Located] | None] = ContextVar("found", default=None)


@contextlib.contextmanager
def looking_once() -> Iterator[None]:
    """Inside it `locate` reads and digests each data set once, however often it is asked: one moment, many jobs."""
    token = _FOUND.set({})
    try:
        yield
    finally:
        _FOUND.reset(token)


def locate(
    dataset: str,
    data_dir: Path | None,
    *,
    download_dir: Path,
    contents: Contents | None = None,
    progress: Progress = silent,
) -> Located:
    """Finds `dataset` (a known name, or a directory) and digests its content.

    `data_dir` is where the user says the standard data sets are: it must be right. Without it they are
    looked for in `download_dir`, and CIFAR is downloaded there when absent. `contents` remembers the digests of
    a directory's files; `progress(done, total)` counts those that are read.
    """
    found, request = _FOUND.get(), (dataset, data_dir, download_dir)
    if found is None:
        return _located(*request, contents=contents, progress=progress)
    if request not in found:
        found[request] = _located(*request, contents=contents, progress=progress)
    return found[request]


def _located(
    dataset: str, data_dir: Path | None, download_dir: Path, *, contents: Contents | None, progress: Progress
) -> Located:
    if dataset == "digits":
        return Located("digits", digits.fingerprint(), None, _namesake(dataset))
    if dataset in cifar.LAYOUTS:
        place = _cifar_folder(dataset, data_dir, download_dir=download_dir)
        return Located(dataset, cifar.fingerprint(dataset, place), place, _namesake(dataset))
    root = Path(os.path.expanduser(dataset))
    if os.path.isfile(root):
        raise InvalidInputError(
            f"data set must be a folder of class folders; got the file {dataset!r}. Unpack it and give the folder."
        )
    if not dataset or not os.path.isdir(root):
        near = nearest(dataset, NAMES)
        remedy = near if near.startswith("Nearest") else "Name one, or a folder of class folders."
        raise InvalidInputError(
            f"unknown data set {dataset!r} (no such folder; built in: {', '.join(NAMES)}). {remedy}"
        )
    found = folder.read(root, contents=contents, progress=progress)
    return Located(found.images.name, found.digest, root, found.images.notices, found)


def _namesake(dataset: str) -> tuple[str, ...]:
    """What should be said where a folder is called like a built-in data set that is not that data set."""
    root = Path(dataset)
    if not os.path.isdir(root) or (dataset in cifar.LAYOUTS and cifar.is_in(dataset, root)):
        return ()
    return (f"{dataset} is the built-in data set; for the folder of that name give ./{dataset}",)


def root_of(dataset: str) -> Path | None:
    """The folder that `dataset` names; None for a built-in data set."""
    return None if dataset in NAMES else Path(os.path.expanduser(dataset))


def is_here(dataset: str, data_dir: Path | None, *, download_dir: Path) -> bool:
    """Whether `locate` would answer without a download."""
    return dataset not in cifar.LAYOUTS or data_dir is not None or cifar.is_in(dataset, download_dir)


def load(located: Located) -> ImageSet:
    """The images of a located data set."""
    if located.folder is not None:
        return located.folder.images.limited(located.max_pixels)
    return digits.load() if located.place is None else cifar.load(located.name, located.place)


def _cifar_folder(dataset: str, data_dir: Path | None, *, download_dir: Path) -> Path:
    if data_dir is not None and not data_dir.is_dir():
        raise InvalidInputError(f"data directory must exist; got {str(data_dir)!r}. Check --data-dir.")
    if data_dir is not None or cifar.is_in(dataset, download_dir):
        return cifar.find(dataset, data_dir or download_dir)
    return cifar.download(dataset, download_dir)
