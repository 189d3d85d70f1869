"""Data sets by name: where they are, what they contain (a digest, without torch), and the images."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path

from extract.data import cifar, digits, folder
from extract.data.classes import ClassChoice
from extract.data.contents import Contents, Progress, silent
from extract.data.folder import Folder
from extract.data.images import ImageSet
from extract.data.parts import PARTS
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
    "minicifar": Facts(4_000, 4_000, 4, side=32),
    "cifar10-15k": Facts(15_000, 10_000, 10, side=32),
}
NAMES = tuple(FACTS)


@dataclass(frozen=True)
class Located:
    """A data set that was found: `name` for people and file names, its content's sha256, its place.

    `notices` are sentences on how it was found and read; `folder` is what a folder of photographs holds; `classes`
    those that are used where not all are.
    """

    name: str
    digest: str
    place: Path | None
    notices: tuple[str, ...] = ()
    folder: Folder | None = field(default=None, repr=False)
    max_pixels: int = MAX_PIXELS  # of one image; a larger one is unreadable
    classes: tuple[str, ...] | None = None

    def of_classes(self, choice: ClassChoice) -> "Located":
        """The classes of a choice alone, under a digest that is theirs; all of them as it was."""
        if choice == ClassChoice():
            return self
        names = self._class_names()
        used = choice.of(names, self._superclasses)
        if used == names:
            return self
        found = self.folder and replace(self.folder, images=self.folder.images.of_classes(used))
        return replace(self, digest=_digest_of_part(self.digest, used), classes=used, folder=found)

    def _class_names(self) -> tuple[str, ...]:
        if self.folder is not None:
            return self.folder.images.class_names
        if self.place is None:
            return digits.CLASS_NAMES
        return cifar.class_names(published(self.name), self.place)[: FACTS[self.name].class_count]

    def _superclasses(self) -> dict[str, tuple[str, ...]]:
        if self.folder is not None or self.place is None:
            return {}
        return cifar.superclasses(published(self.name), self.place)


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
    known = {} if found is None else found
    if request not in known:
        known[request] = _located(*request, contents=contents, progress=progress)
    return known[request]


def _located(
    dataset: str, data_dir: Path | None, download_dir: Path, *, contents: Contents | None, progress: Progress
) -> Located:
    if dataset == "digits":
        return Located("digits", digits.fingerprint(), None, _namesake(dataset))
    if dataset in NAMES:
        place = _cifar_folder(published(dataset), data_dir, download_dir=download_dir)
        cifar.check(published(dataset), place)
        return Located(dataset, digest(dataset), place, _namesake(dataset))
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
    if not os.path.isdir(root) or (is_cifar(dataset) and cifar.is_in(published(dataset), root)):
        return ()
    return (f"{dataset} is the built-in data set; for the folder of that name give ./{dataset}",)


def published(dataset: str) -> str:
    """The published data set of which a built-in one is a part, or itself."""
    return PARTS[dataset].of if dataset in PARTS else dataset


def is_cifar(dataset: str) -> bool:
    """Whether it is CIFAR-10, CIFAR-100 or a part of them."""
    return published(dataset) in cifar.LAYOUTS


def digest(dataset: str, classes: tuple[str, ...] | None = None) -> str:
    """Digest of a built-in data set, or of these classes of it, wherever it is."""
    whole = cifar.digest(published(dataset)) if is_cifar(dataset) else digits.fingerprint()
    whole = _digest_of_part(whole, (dataset,)) if dataset in PARTS else whole
    return whole if classes is None else _digest_of_part(whole, classes)


def _digest_of_part(whole: str, names: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join((whole, *names)).encode()).hexdigest()


def root_of(dataset: str) -> Path | None:
    """The folder that `dataset` names; None for a built-in data set."""
    return None if dataset in NAMES else Path(os.path.expanduser(dataset))


def is_here(dataset: str, data_dir: Path | None, *, download_dir: Path) -> bool:
    """Whether `locate` would answer without a download."""
    return not is_cifar(dataset) or data_dir is not None or cifar.is_in(published(dataset), download_dir)


def load(located: Located) -> ImageSet:
    """The images of a located data set."""
    if located.folder is not None:
        return located.folder.images.limited(located.max_pixels)
    images = digits.load() if located.place is None else cifar.load(published(located.name), located.place)
    images = PARTS[located.name].take(images, located.name) if located.name in PARTS else images
    return images if located.classes is None else images.of_classes(located.classes)


def _cifar_folder(dataset: str, data_dir: Path | None, *, download_dir: Path) -> Path:
    if data_dir is not None and not data_dir.is_dir():
        raise InvalidInputError(f"data directory must exist; got {str(data_dir)!r}. Check --data-dir.")
    if data_dir is not None or cifar.is_in(dataset, download_dir):
        return cifar.find(dataset, data_dir or download_dir)
    return cifar.download(dataset, download_dir)
