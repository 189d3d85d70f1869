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
from extract.data.containers import arrays, parquet, photo_sets, torchvision_sets
from extract.data.containers.arrays import ArraySet
from extract.data.contents import Contents, Progress, silent
from extract.data.folder import Folder
from extract.data.images import ImageSet, ImageSplit, Pixels
from extract.data.labels.columns import LabelFile
from extract.data.parts import PARTS
from extract.data.walk import printable
from extract.decoding.decode import MAX_PIXELS
from extract.errors import InvalidInputError, nearest
from extract.runtime.disk import file_sha256


@dataclass(frozen=True)
class Facts:
    """Facts about a data set before it is read: images of its splits, classes, pixels of a side.

    `mirrors` says whether a mirrored image is an image of the same class: a mirrored digit is none.
    """

    train_count: int
    test_count: int
    n_classes: int
    side: int
    mirrors: bool = True


FACTS = {
    "cifar10": Facts(50_000, 10_000, 10, side=32),
    "cifar100": Facts(50_000, 10_000, 100, side=32),
    "digits": Facts(1_437, 360, 10, side=8, mirrors=False),
    "minicifar": Facts(4_000, 4_000, 4, side=32),
    "cifar10-15k": Facts(15_000, 10_000, 10, side=32),
    "mnist": Facts(60_000, 10_000, 10, side=28, mirrors=False),
    "fashion-mnist": Facts(60_000, 10_000, 10, side=28),
    "svhn": Facts(73_257, 26_032, 10, side=32, mirrors=False),
    "stl10": Facts(5_000, 8_000, 10, side=96),
}
NAMES = (*FACTS, *photo_sets.SETS)
NPZ = ".npz"


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
        found = self.folder and self.folder.of_classes(used)
        return replace(self, digest=_digest_of_part(self.digest, used), classes=used, folder=found)

    def _class_names(self) -> tuple[str, ...]:
        if self.folder is not None:
            return self.folder.images.class_names
        if self.place is None:
            return digits.CLASS_NAMES
        if self.name in torchvision_sets.SETS:
            return torchvision_sets.SETS[self.name].class_names
        if not is_cifar(self.name):
            return arrays.read_npz(self.place).class_names
        return cifar.class_names(published(self.name), self.place)[: FACTS[self.name].n_classes]

    def _superclasses(self) -> dict[str, tuple[str, ...]]:
        if not is_cifar(self.name) or self.place is None:
            return {}
        return cifar.superclasses(published(self.name), self.place)


_Request = tuple[str, Path | None, Path, LabelFile | None]
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
    labels: LabelFile | None = None,
    contents: Contents | None = None,
    progress: Progress = silent,
) -> Located:
    """Finds `dataset` (a known name, or a directory) and digests its content.

    `data_dir` is where the user says the standard data sets are: it must be right. Without it they are
    looked for in `download_dir`, and CIFAR is downloaded there when absent. `labels` say the
    classes of the images in a directory. `contents` remembers the digests of
    a directory's files; `progress(done, total)` counts those that are read.
    """
    dataset, labels = opened(dataset, data_dir, labels, download_dir=download_dir)
    found, request = _FOUND.get(), (dataset, data_dir, download_dir, labels)
    known = {} if found is None else found
    if request not in known:
        known[request] = _located(*request, contents=contents, progress=progress)
    return known[request]


def _located(
    dataset: str,
    data_dir: Path | None,
    download_dir: Path,
    labels: LabelFile | None,
    *,
    contents: Contents | None,
    progress: Progress,
) -> Located:
    if dataset == "digits":
        return Located("digits", digits.fingerprint(), None, _namesake(dataset))
    if dataset in torchvision_sets.SETS:
        place = data_dir or download_dir
        return Located(dataset, torchvision_sets.find(dataset, place), place, _namesake(dataset))
    if dataset in NAMES:
        place = _cifar_folder(published(dataset), data_dir, download_dir=download_dir)
        cifar.check(published(dataset), place)
        return Located(dataset, digest(dataset), place, _namesake(dataset))
    root = Path(os.path.expanduser(dataset))
    if root.suffix.lower() == NPZ and os.path.isfile(root):
        return Located(printable(root.name), file_sha256(root), root, arrays.read_npz(root).notices)
    if os.path.isfile(root):
        raise InvalidInputError(
            f"data set must be a folder of class folders, or a file of {NPZ} or .parquet; got the file {dataset!r}. "
            "Unpack it and give the folder."
        )
    if not dataset or not os.path.isdir(root):
        near = nearest(dataset, NAMES)
        remedy = near if near.startswith("Nearest") else "Name one, or a folder of class folders."
        raise InvalidInputError(
            f"unknown data set {dataset!r} (no such folder; built in: {', '.join(NAMES)}). {remedy}"
        )
    found = folder.read(root, labels=labels, contents=contents, progress=progress)
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


def opened(
    dataset: str,
    data_dir: Path | None,
    labels: LabelFile | None,
    *,
    download_dir: Path,
    columns: tuple[str, ...] = (),
) -> tuple[str, LabelFile | None]:
    """(the data set, its file of labels): a folder of images for a published set of photographs, and for a table.

    A table with image bytes, read by its `columns`, is unpacked to that folder.
    """
    root = root_of(dataset)
    if dataset in photo_sets.SETS:
        place, found = photo_sets.opened(dataset, data_dir or download_dir, download_dir)
        return str(place), found
    files = [] if root is None or labels is not None else parquet.shards(root)
    if root is None or not files:
        return dataset, labels
    place, found = parquet.unpacked(root, files, download_dir, columns)
    return str(place), found


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
    images = _loaded(located)
    images = PARTS[located.name].take(images, located.name) if located.name in PARTS else images
    return images if located.classes is None else images.of_classes(located.classes)


def _loaded(located: Located) -> ImageSet:
    if located.place is None:
        return digits.load()
    if is_cifar(located.name):
        return cifar.load(published(located.name), located.place)
    if located.name in torchvision_sets.SETS:
        return _of_arrays(located.name, torchvision_sets.load(located.name, located.place))
    return _of_arrays(located.name, arrays.read_npz(located.place))


def _of_arrays(name: str, found: ArraySet) -> ImageSet:
    """The arrays as a data set; without a test split a stratified fifth of the images is it."""
    splits = {
        split: ImageSplit(Pixels(images), labels, tuple(f"{split}/{row:05d}" for row in range(len(labels))))
        for split, (images, labels) in found.splits.items()
    }
    if "test" not in splits:
        splits = folder.cut(splits["train"], root=Path(name), class_names=found.class_names)
    return ImageSet(name, found.class_names, splits, found.notices)


def _cifar_folder(dataset: str, data_dir: Path | None, *, download_dir: Path) -> Path:
    if data_dir is not None and not data_dir.is_dir():
        raise InvalidInputError(f"data directory must exist; got {str(data_dir)!r}. Check --data-dir.")
    if data_dir is not None or cifar.is_in(dataset, download_dir):
        return cifar.find(dataset, data_dir or download_dir)
    return cifar.download(dataset, download_dir)
