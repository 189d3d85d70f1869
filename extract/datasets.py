"""Data sets by name: where they are, what they contain (a digest, without torch), and the images."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from extract import cifar, digits, folder
from extract.errors import InvalidInput, unknown
from extract.images import ImageSet

NAMES = ("cifar10", "cifar100", "digits")


@dataclass(frozen=True)
class Located:
    """A data set that was found: `name` for people and file names, its content's sha256, its place."""

    name: str
    digest: str
    place: Path | None


_Asked = tuple[str, Path | None, Path]
_FOUND: ContextVar[dict[_Asked, Located] | None] = ContextVar("found", default=None)


@contextlib.contextmanager
def looking_once() -> Iterator[None]:
    """Inside it `locate` reads and digests each data set once, however often it is asked: one moment, many jobs."""
    token = _FOUND.set({})
    try:
        yield
    finally:
        _FOUND.reset(token)


def locate(dataset: str, data_dir: Path | None, *, download_dir: Path) -> Located:
    """Finds `dataset` (a known name, or a directory) and digests its content.

    `data_dir` is where the user says the standard data sets are: it must be right. Without it they are
    looked for in `download_dir`, and CIFAR is downloaded there when absent.
    """
    found, asked = _FOUND.get(), (dataset, data_dir, download_dir)
    if found is None:
        return _located(*asked)
    if asked not in found:
        found[asked] = _located(*asked)
    return found[asked]


def _located(dataset: str, data_dir: Path | None, download_dir: Path) -> Located:
    if dataset == "digits":
        return Located("digits", digits.fingerprint(), None)
    if dataset in cifar.LAYOUTS:
        place = _cifar_folder(dataset, data_dir, download_dir=download_dir)
        return Located(dataset, cifar.fingerprint(dataset, place), place)
    root = Path(dataset)
    if not root.is_dir():
        raise unknown("dataset", name=dataset, known=NAMES, remedy="A folder of class folders works too.")
    return Located(root.resolve().name, folder.fingerprint(root), root)


def is_here(dataset: str, data_dir: Path | None, *, download_dir: Path) -> bool:
    """Whether `locate` would answer without a download."""
    if dataset not in cifar.LAYOUTS or data_dir is not None:
        return True
    return cifar.is_in(dataset, download_dir)


def load(located: Located) -> ImageSet:
    """The images of a located data set."""
    if located.place is None:
        return digits.load()
    if located.name in cifar.LAYOUTS and (located.place / cifar.LAYOUTS[located.name].meta[0]).is_file():
        return cifar.load(located.name, located.place)
    return folder.load(located.place)


def _cifar_folder(dataset: str, data_dir: Path | None, *, download_dir: Path) -> Path:
    if data_dir is not None:
        if not data_dir.is_dir():
            raise InvalidInput(f"data directory must exist; got {str(data_dir)!r}. Check --data-dir.")
        return cifar.find(dataset, data_dir)
    if cifar.is_in(dataset, download_dir):
        return cifar.find(dataset, download_dir)
    return cifar.download(dataset, download_dir)
