"""Raw images by path: which files are meant, which can be read, and the way each one takes into a network.

Images of a data set in memory (CIFAR, digits) were resized by matrix products; photographs by Pillow. An image
file that has the native size of such a data set takes the same way as the data set did, so that it gives the
same bits; any other takes Pillow's way.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from extract.backbones.rounding import photographs
from extract.data import datasets, digits
from extract.data.images import Files, Pixels
from extract.data.walk import SUFFIXES, Walker, printable
from extract.decoding.decode import UnreadableImage, decode, traits
from extract.errors import InvalidInputError
from pipelines.workspace.schema import DatasetUse

EXAMPLES = 100
EXAMPLE_SIZES = ((640, 427), (427, 427), (300, 400), (224, 224), (131, 97), (400, 64), (20, 33))


@dataclass(frozen=True)
class Group:
    """Images that take one way: `rows` int64 [n] are their places among all, `images` themselves."""

    rows: np.ndarray
    images: Pixels | Files


@dataclass(frozen=True)
class Listed:
    """Image files: `paths` to read, `names` as they were given, `notices` on what was passed over in folders."""

    paths: tuple[Path, ...]
    names: tuple[Path, ...]
    notices: tuple[str, ...]


@contextmanager
def listed(places: Sequence[Path]) -> Iterator[Listed]:
    """The files that `places` name: each file as given, and every image below each folder, sorted.

    What comes through a pipe of this process (/dev/stdin) is kept in a file while the body runs. Raises
    `InvalidInputError` for a place that is not there, for a folder without images, and for what is no file.
    """
    pairs: list[tuple[Path, Path]] = []
    notices: list[str] = []
    with tempfile.TemporaryDirectory(prefix="transfer-bench-") as scratch:
        for place in places:
            if os.path.isdir(place):
                found, said = _below(place)
                pairs += [(path, path) for path in found]
                notices += said
            else:
                pairs.append((_at_hand(place, Path(scratch), number=len(pairs)), place))
        try:
            yield Listed(tuple(path for path, _ in pairs), tuple(name for _, name in pairs), tuple(notices))
        except InvalidInputError as error:  # by the names that were given
            said = str(error)
            for path, name in pairs:
                said = said if path == name else said.replace(repr(str(path)), repr(str(name)))
            error.args = (said,)
            raise


def _below(place: Path) -> tuple[list[Path], list[str]]:
    """(the images below a folder, what should be said of it)."""
    walker = Walker(place)
    found = [place / name for images in walker.below([place]).values() for name in images.names]
    passed = walker.passed.sentence()
    if not found:
        raise InvalidInputError(
            f"folder must hold images ({', '.join(sorted(SUFFIXES))}); got {str(place)!r}, which has none"
            f"{f' ({passed})' if passed else ''}. Check the path."
        )
    return found, [f"{printable(place)}: {passed}"] if passed else []


def _at_hand(place: Path, scratch: Path, *, number: int) -> Path:
    """A file that can be read more than once with what `place` holds: itself, or a copy of what a pipe gives."""
    try:
        mode = os.stat(place).st_mode
        if stat.S_ISREG(mode):
            return place
        if stat.S_ISFIFO(mode) and _is_own(place):
            copy = scratch / str(number)
            with place.open("rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
            return copy
    except OSError as error:
        raise InvalidInputError(f"image must exist; got {str(place)!r} ({error.strerror}). Check the path.") from error
    raise InvalidInputError(
        f"image must be a file; got {str(place)!r}, which is a pipe, a device or a socket. Save the image to a file."
    )


def _is_own(place: Path) -> bool:
    """Whether a pipe is one that this process was started with: others may have nobody who writes."""
    return os.path.abspath(place).startswith(("/dev/stdin", "/dev/fd/", "/proc/self/fd/"))


def native_size(dataset: DatasetUse) -> tuple[int, int] | None:
    """(height, width) of the images of a record's `dataset` where it is one that is held in memory, else None.

    The digest decides: a folder may bear the name of such a data set.
    """
    known = dataset.name in datasets.NAMES and datasets.digest(dataset.name, dataset.classes) == dataset.digest
    side = datasets.FACTS[dataset.name].side if known else 0
    return (side, side) if known else None


def examples(dataset: DatasetUse, *, native: tuple[int, int] | None, folder: Path) -> tuple[list[Image.Image], Files]:
    """Real images in RGB, and they as files in `folder`: of the `native` size if there is one, else of several sizes.

    The first test images of digits, else parts of the two photographs that scikit-learn ships.
    """
    if native == (8, 8):
        held = digits.load().splits["test"].images
        assert isinstance(held, Pixels)
        images = [Image.fromarray(array.transpose(1, 2, 0)) for array in held.array[:EXAMPLES]]
    elif native is not None:
        levels = photographs(native).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        images = [Image.fromarray(array) for array in levels]
    else:
        photos = [Image.open(digits.shipped("images", name)).convert("RGB") for name in ("china.jpg", "flower.jpg")]
        images = [photo.crop((0, 0, width, height)) for photo in photos for width, height in EXAMPLE_SIZES]
    paths = [folder / f"{index}.png" for index in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image.save(path)
    return images, Files.at(paths)


def groups(images: Files, *, native: tuple[int, int] | None) -> Iterator[Group]:
    """`images` by the way that they take: those of the `native` size as pixels in memory, the others as files.

    Raises `UnreadableImage` with the first path that cannot be decoded.
    """
    is_native = np.array([native is not None and _size(path) == native for path in images.paths()], bool)
    if is_native.any():
        rows = np.flatnonzero(is_native)
        yield Group(rows, Pixels(np.stack([_array(images.path(int(row)), images.max_pixels) for row in rows])))
    if not is_native.all():
        rows = np.flatnonzero(~is_native)
        yield Group(rows, images.take(rows))


def _size(path: Path) -> tuple[int, int] | None:
    """(height, width) as the file's header says, before any decoding; None where it says nothing."""
    try:
        found = traits(path)
    except UnreadableImage:
        return None  # decoding it will say what is wrong
    return found.height, found.width


def _array(path: Path, max_pixels: int) -> np.ndarray:
    return np.asarray(decode(path, max_pixels=max_pixels)).transpose(2, 0, 1)
