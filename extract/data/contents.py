"""Contents of image files: digests, cached until a file changes, and what is unusual about pictures.

An unchanged file is read once. Unusual are transparency, and frames beyond the first: neither is taken as it stands.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from extract.data.walk import Image, Stamp, a_few, counted
from extract.decoding.decode import UnreadableImage, traits
from extract.errors import TransferBenchError
from extract.runtime.disk import file_sha256
from extract.runtime.machine import thread_count

Progress = Callable[[int, int], None]
UNREADABLE = b"unreadable"  # stands for the content of a file that cannot be read
# A file that changed so little before it was read may change again under the same times: some disks count in 2 s.
SETTLED_NS = 2_000_000_000
SILENT_SECONDS = 1.0  # what is read in less time needs no progress


def silent(*_: object) -> None:
    """Takes any progress and says nothing."""


class Unusual(NamedTuple):
    """Whether pixels of a file may be transparent, and how many frames or pages it holds."""

    transparent: bool
    frames: int


@dataclass
class Contents:
    """sha256 digests of files by their path below a root, each with the stamp that the file had: `known`.

    `unusual` is what is unusual about images, by the digest of their content.
    `has_changed` says that `known` is no longer what it was when somebody set that to False.
    A file whose content changes while size, times and inode stay what they were is taken for unchanged; the time of
    the last change of a file's status (ctime) cannot be set back by ordinary means.
    """

    known: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    unusual: dict[str, Unusual] = field(default_factory=dict)
    has_changed: bool = False

    def digests(self, images: Sequence[Image], *, progress: Progress) -> list[bytes]:
        """The digest of each image's content. Afterwards `known` holds these images and no others."""
        found = [self._remembered(image) for image in images]
        new = [row for row, digest in enumerate(found) if digest is None]
        begun = time.monotonic()
        with ThreadPoolExecutor(thread_count()) as pool:
            read = pool.map(_content, [images[row].path for row in new])
            for done, (row, (digest, odd)) in enumerate(zip(new, read, strict=True), start=1):
                found[row] = digest
                if odd is not None:
                    self.unusual[digest.hex()] = odd
                if time.monotonic() - begun > SILENT_SECONDS:
                    progress(done, len(new))
        digests = [digest for digest in found if digest is not None]
        before, now = self.known, time.time_ns()
        self.known = {
            "/".join(image.parts): (image.stamp, digest.hex())
            for image, digest in zip(images, digests, strict=True)
            if digest != UNREADABLE and now - max(image.stamp[1:3]) > SETTLED_NS
        }
        kept = {digest for _, digest in self.known.values()} | {digest.hex() for digest in digests}
        self.unusual = {digest: odd for digest, odd in self.unusual.items() if digest in kept}
        self.has_changed |= self.known != before
        return digests

    def _remembered(self, image: Image) -> bytes | None:
        stamp, digest = self.known.get("/".join(image.parts), (None, ""))
        return bytes.fromhex(digest) if stamp == image.stamp else None


def _content(path: Path) -> tuple[bytes, Unusual | None]:
    try:
        return bytes.fromhex(file_sha256(path)), unusual(path)
    except OSError:
        return UNREADABLE, None  # decoding it will name it, or it is skipped


def unusual(path: Path) -> Unusual | None:
    """Unusual traits of an image by its header; None for a usual one, and for one that cannot be read."""
    try:
        found = traits(path)
    except (UnreadableImage, TransferBenchError):
        return None
    return Unusual(found.transparent, found.frames) if found.transparent or found.frames > 1 else None


def notices(found: Sequence[tuple[str, Unusual]]) -> Iterator[str]:
    """Notices about images, by their names."""
    transparent = [name for name, one in found if one.transparent]
    several = [f"{name} with {one.frames}" for name, one in found if one.frames > 1]
    if transparent:
        yield f"{counted(len(transparent), 'image')} with transparency: laid over white ({a_few(transparent)})"
    if several:
        yield f"{counted(len(several), 'image')} with several frames or pages: the first is read ({a_few(several)})"
