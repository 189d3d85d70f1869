"""Handling of images that cannot be read, by `--on-bad-image`.

* `error`: the first one that is met is refused together with all others of its data set, each by its name and what is
  wrong with it (`refused_together`). Files that hold no byte are refused as soon as the data set is found
  (`refuse_empty`).
* `skip`: every file is decoded before anything is computed. Those that cannot be are left out, and their ids are
  recorded (`without_unreadable`). A class that would lose all of its images in a split is refused.

No image is ever replaced by another. What cannot be read is decided by `extract.decoding.decode.decode`, which raises
`UnreadableImage`, or `OversizedImage` for more than `--max-pixels`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from extract.data.images import Files, ImageSet
from extract.decoding.decode import SMALLEST, OversizedImage, UnreadableImage, decode
from extract.errors import InvalidInputError
from extract.runtime.machine import thread_count

NAMES_SHOWN = 100


def unreadable(images: Files) -> dict[Path, UnreadableImage]:
    """Those of the files that cannot be decoded, in order, each with its error. Decodes all of them."""

    def error(path: Path) -> UnreadableImage | None:
        try:
            decode(path, max_pixels=images.max_pixels, target=SMALLEST)
        except UnreadableImage as found:
            return found
        return None

    with ThreadPoolExecutor(thread_count()) as pool:
        errors = zip(images.paths(), pool.map(error, images.paths()), strict=True)
        return {path: found for path, found in errors if found is not None}


def without_unreadable(images: ImageSet) -> tuple[ImageSet, tuple[str, ...]]:
    """(the data set without the images that cannot be decoded, the ids of those).

    Raises `InvalidInputError` where a class would be left without images in a split.
    """
    splits, skipped = dict(images.splits), []
    for name, split in images.splits.items():
        if not isinstance(split.images, Files):
            continue
        bad = unreadable(split.images)
        is_bad = np.fromiter((path in bad for path in split.images.paths()), bool, len(split))
        skipped += [split.ids[row] for row in np.flatnonzero(is_bad)]
        kept = splits[name] = split.take(np.flatnonzero(~is_bad))
        lost = np.setdiff1d(split.labels, kept.labels)
        if len(lost):
            raise InvalidInputError(
                f"every class must keep a readable image in the {name} split; got none of "
                f"{images.class_names[lost[0]]!r}. Repair its images, or delete its folder."
            )
    return replace(images, splits=splits), tuple(skipped)


def without(images: ImageSet, ids: Collection[str]) -> ImageSet:
    """The data set without the images of these ids."""
    kept = {name: np.flatnonzero([one not in ids for one in split.ids]) for name, split in images.splits.items()}
    return replace(images, splits={name: split.take(kept[name]) for name, split in images.splits.items()})


@contextmanager
def refused_together(*groups: Files) -> Iterator[None]:
    """Inside it the first unreadable image of `groups` is refused together with all others that are unreadable."""
    try:
        yield
    except UnreadableImage as first:
        _refuse({path: error for group in groups for path, error in unreadable(group).items()}, first=first)


def refuse_empty(paths: Sequence[Path]) -> None:
    """Raises `InvalidInputError` with the names of all of these files, which hold nothing."""
    errors = {path: UnreadableImage(path, "the file is empty") for path in paths}
    if errors:
        _refuse(errors, first=errors[paths[0]])


def files(images: ImageSet) -> list[Files]:
    """The images of each split that are files."""
    return [split.images for split in images.splits.values() if isinstance(split.images, Files)]


def _refuse(errors: Mapping[Path, UnreadableImage], *, first: UnreadableImage) -> None:
    if len(errors) < 2:
        raise first
    shown = [f"{str(path)!r} ({error.reason})" for path, error in list(errors.items())[:NAMES_SHOWN]]
    more = f" and {len(errors) - len(shown)} more" if len(errors) > len(shown) else ""
    allow = (
        "Give more --max-pixels, repair"
        if any(isinstance(one, OversizedImage) for one in errors.values())
        else "Repair"
    )
    raise InvalidInputError(
        f"images must be readable; got {len(errors)} that are not: {', '.join(shown)}{more}. "
        f"{allow} or delete them, or skip such files with --on-bad-image skip."
    ) from first
