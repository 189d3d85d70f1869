"""Images that cannot be decoded: left out where that is asked for, else refused together and by name."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from extract.data.images import Files, ImageSet, ImageSplit
from extract.decoding.decode import UnreadableImage, decode
from extract.errors import InvalidInputError
from extract.runtime.machine import thread_count

NAMES_SHOWN = 100


def unreadable(images: Files) -> dict[Path, UnreadableImage]:
    """Those of the files that cannot be decoded, in order, each with its error. Decodes all of them."""
    with ThreadPoolExecutor(thread_count()) as pool:
        errors = list(pool.map(lambda path: _error(path, images.max_pixels), images.paths))
    return {path: error for path, error in zip(images.paths, errors, strict=True) if error is not None}


def without_unreadable(images: ImageSet) -> tuple[ImageSet, tuple[str, ...]]:
    """(the data set without the images that cannot be decoded, the ids of those).

    Raises `InvalidInputError` where a class would be left without images in a split.
    """
    splits, skipped = {}, []
    for name, split in images.splits.items():
        if not isinstance(split.images, Files):
            splits[name] = split
            continue
        bad = unreadable(split.images)
        is_bad = np.fromiter((path in bad for path in split.images.paths), bool, len(split))
        skipped += [split.ids[row] for row in np.flatnonzero(is_bad)]
        splits[name] = split.take(np.flatnonzero(~is_bad))
        _require_classes(split, splits[name], name=name, class_names=images.class_names)
    return replace(images, splits=splits), tuple(skipped)


@contextmanager
def refused_together(*groups: Files) -> Iterator[None]:
    """Inside it the first unreadable image of `groups` is refused together with all others that are unreadable."""
    try:
        yield
    except UnreadableImage as first:
        errors = {path: error for group in groups for path, error in unreadable(group).items()}
        if len(errors) > 1:
            raise several(errors) from first
        raise


def several(errors: dict[Path, UnreadableImage]) -> InvalidInputError:
    """One error for many unreadable images."""
    shown = [f"{str(path)!r} ({error.reason})" for path, error in list(errors.items())[:NAMES_SHOWN]]
    more = f" and {len(errors) - len(shown)} more" if len(errors) > len(shown) else ""
    return InvalidInputError(
        f"images must be readable; got {len(errors)} that are not: {', '.join(shown)}{more}. "
        "Repair or delete them, or skip such files with --on-bad-image skip."
    )


def files(images: ImageSet) -> list[Files]:
    """The images of each split that are files."""
    return [split.images for split in images.splits.values() if isinstance(split.images, Files)]


def _error(path: Path, max_pixels: int) -> UnreadableImage | None:
    try:
        decode(path, max_pixels=max_pixels)
    except UnreadableImage as error:
        return error
    return None


def _require_classes(whole: ImageSplit, kept: ImageSplit, *, name: str, class_names: tuple[str, ...]) -> None:
    lost = sorted(set(whole.labels.tolist()) - set(kept.labels.tolist()))
    if lost:
        raise InvalidInputError(
            f"every class must keep a readable image in the {name} split; got none of {class_names[lost[0]]!r}. "
            "Repair its images, or delete its folder."
        )
