"""Raw images by path: which files are meant, which can be read, and the way each one takes into a network.

Images of a data set in memory (CIFAR, digits) were resized by matrix products; photographs by Pillow. An image
file that has the native size of such a data set takes the same way as the data set did, so that it gives the
same bits; any other takes Pillow's way.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from extract import cifar, digits
from extract.decoding import UnreadableImage, decode
from extract.errors import InvalidInput
from extract.images import Files, Pixels
from extract.listing import SUFFIXES, is_hidden


@dataclass(frozen=True)
class Group:
    """Images that take one way: `rows` int64 [n] are their places among all, `images` themselves."""

    rows: np.ndarray
    images: Pixels | Files


def listed(places: Sequence[Path]) -> tuple[Path, ...]:
    """The files that `places` name: each file as given, and every image below each folder, sorted.

    Raises `InvalidInput` for a place that is not there and for a folder without images.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*") if _is_image(path, place))
            if not inside:
                raise InvalidInput(
                    f"folder must hold images ({', '.join(sorted(SUFFIXES))}); got {str(place)!r}, which has none."
                )
            found += inside
        elif place.exists():
            found.append(place)
        else:
            raise InvalidInput(f"image must exist; got {str(place)!r}. Check the path.")
    return tuple(found)


def readable(paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """(those of `paths` that can be decoded, those that cannot)."""
    good, bad = [], []
    for path in paths:
        try:
            decode(path)
        except UnreadableImage:
            bad.append(path)
        else:
            good.append(path)
    return tuple(good), tuple(bad)


def native_size(dataset: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) of the images of a record's `dataset` where it is one that is held in memory, else None.

    The digest decides: a folder may bear the name of such a data set.
    """
    name = dataset["name"]
    if name in cifar.LAYOUTS:
        layout = cifar.LAYOUTS[name]
        sums = "".join({**layout.train, **layout.test, layout.meta[0]: layout.meta[1]}.values())
        return (32, 32) if hashlib.sha256(sums.encode()).hexdigest() == dataset["digest"] else None
    if name == "digits" and digits.fingerprint() == dataset["digest"]:
        return 8, 8
    return None


def groups(paths: Sequence[Path], *, native: tuple[int, int] | None) -> Iterator[Group]:
    """`paths` by the way that they take: those of the `native` size as pixels in memory, the others as files.

    Raises `UnreadableImage` with the first path that cannot be decoded.
    """
    is_native = np.array([native is not None and _size(path) == native for path in paths], bool)
    if is_native.any():
        rows = np.flatnonzero(is_native)
        yield Group(rows, Pixels(np.stack([_array(paths[int(row)]) for row in rows])))
    if not is_native.all():
        rows = np.flatnonzero(~is_native)
        yield Group(rows, Files(tuple(paths[int(row)] for row in rows)))


def _is_image(path: Path, root: Path) -> bool:
    hidden = any(is_hidden(part) for part in path.relative_to(root).parts)
    return path.suffix.lower() in SUFFIXES and path.is_file() and not hidden


def _size(path: Path) -> tuple[int, int] | None:
    """(height, width) as the file's header says, before any decoding; None where it says nothing."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 (Pillow's plugins raise whatever they like: a damaged AVIF RuntimeError)
        return None  # decoding it will say what is wrong


def _array(path: Path) -> np.ndarray:
    return np.asarray(decode(path)).transpose(2, 0, 1)
