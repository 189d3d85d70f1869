"""What of images is not taken as it stands, and is said: transparency, and frames beyond the first."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from extract.data.walk import a_few
from extract.decoding.decode import UnreadableImage, traits
from extract.errors import TransferBenchError


class Unusual(NamedTuple):
    """Whether pixels of a file may be transparent, and how many frames or pages it holds."""

    transparent: bool
    frames: int


def unusual(path: Path) -> Unusual | None:
    """What is unusual about an image by its head; None for a usual one, and for one that cannot be read."""
    try:
        found = traits(path)
    except (UnreadableImage, TransferBenchError):
        return None
    return Unusual(found.transparent, found.frames) if found.transparent or found.frames > 1 else None


def notices(found: Sequence[tuple[str, Unusual]]) -> Iterator[str]:
    """What should be said of images, by their names."""
    transparent = [name for name, one in found if one.transparent]
    several = [f"{name} with {one.frames}" for name, one in found if one.frames > 1]
    if transparent:
        yield f"{_images(len(transparent))} with transparency: laid over white ({a_few(transparent)})"
    if several:
        yield f"{_images(len(several))} with several frames or pages: the first is read ({a_few(several)})"


def _images(count: int) -> str:
    return f"{count} image{'s' if count > 1 else ''}"
