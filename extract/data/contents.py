"""Contents of image files: digests, cached until a file changes, and what is unusual about pictures.

An unchanged file is read once. Unusual are transparency, and frames beyond the first: neither is taken as it stands.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from extract.data.walk import STAMP, Images, a_few
from extract.decoding.decode import UnreadableImage, traits
from extract.errors import TransferBenchError
from extract.runtime.disk import file_sha256
from extract.runtime.formats import plural
from extract.runtime.machine import thread_count

Progress = Callable[[int, int], None]
UNREADABLE = b"unreadable"  # stands for the content of a file that cannot be read
# A file that changed so little before it was read may change again under the same times: some disks count in 2 s.
SETTLED_NS = 2_000_000_000
DIGEST_BYTES = 32
WHOLE_BYTES = 2**25  # up to which a file is read at once; a larger one is hashed as it is read
FILES_AT_ONCE = 32
READERS_PER_CORE = 4
SILENT_SECONDS = 1.0  # what is read in less time needs no progress


def silent(*_: object) -> None:
    """Takes any progress and says nothing."""


class Unusual(NamedTuple):
    """Whether pixels of a file may be transparent, and how many frames or pages it holds."""

    transparent: bool
    frames: int


class Known(NamedTuple):
    """Files whose contents are known, in columns: names below a root, stamps int64 [N, 4], digests uint8 [N, 32]."""

    names: list[str]
    stamps: np.ndarray
    digests: np.ndarray

    @classmethod
    def of(cls, names: list[str], stamps: bytes = b"", digests: bytes = b"") -> "Known":
        """From the bytes of the columns, as `Known.columns` gives them; nothing where they are of other lengths."""
        if (len(stamps), len(digests)) != (8 * len(STAMP) * len(names), DIGEST_BYTES * len(names)):
            return cls.of([])
        table = np.frombuffer(stamps, "<i8").reshape(-1, len(STAMP))
        return cls(names, table, np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES))

    def columns(self) -> tuple[bytes, bytes]:
        """The stamps and digests as bytes."""
        return self.stamps.astype("<i8").tobytes(), self.digests.tobytes()

    def rows(self, images: Images) -> np.ndarray:
        """Row of each image that is here with the stamp that it has, else -1: int64 [N]."""
        if images.names == self.names:
            rows = np.arange(len(images))
        else:
            places = {name: row for row, name in enumerate(self.names)}
            rows = np.array([places.get(name, -1) for name in images.names], np.int64)
        here = np.flatnonzero(rows >= 0)
        changed = (self.stamps[rows[here]] != images.table()[here]).any(1)
        rows[here[changed]] = -1
        return rows


@dataclass
class Contents:
    """sha256 digests of files by their path below a root, each with the stamp that the file had: `known`.

    `unusual` is what is unusual about images, by the digest of their content.
    `has_changed` says that `known` is no longer what it was when somebody set that to False.
    A file whose content changes while size, times and inode stay what they were is taken for unchanged; the time of
    the last change of a file's status (ctime) cannot be set back by ordinary means.
    """

    known: Known = field(default_factory=lambda: Known.of([]))
    unusual: dict[str, Unusual] = field(default_factory=dict)
    has_changed: bool = False

    def digests(self, root: Path, images: Images, *, progress: Progress) -> list[bytes]:
        """The digest of each image's content. Afterwards `known` holds these images and no others."""
        rows, raw = self.known.rows(images), self.known.digests.tobytes()
        digests = [raw[DIGEST_BYTES * row : DIGEST_BYTES * (row + 1)] if row >= 0 else b"" for row in rows.tolist()]
        new = np.flatnonzero(rows < 0).tolist()
        paths = [os.path.join(root, images.names[row]) for row in new]
        for row, (digest, odd) in zip(new, _read(paths, progress=progress), strict=True):
            digests[row] = digest
            if odd is not None:
                self.unusual[digest.hex()] = odd
        kept = set(map(bytes.hex, digests)) if self.unusual else ()
        self.unusual = {digest: odd for digest, odd in self.unusual.items() if digest in kept}
        if new or len(images) != len(self.known.names):
            self._keep(images, digests)
        return digests

    def _keep(self, images: Images, digests: list[bytes]) -> None:
        settled = time.time_ns() - images.table()[:, 1:3].max(axis=1, initial=0) > SETTLED_NS
        rows = [row for row, digest in enumerate(digests) if settled[row] and digest != UNREADABLE]
        before, names = self.known, [images.names[row] for row in rows]
        self.known = Known.of(names, images.table()[rows].tobytes(), b"".join(digests[row] for row in rows))
        self.has_changed |= before.names != names or before.columns() != self.known.columns()

    def unusual_of(self, digests: Sequence[bytes]) -> list[Unusual | None]:
        """What is unusual about the images with these digests, None for a usual one."""
        return [self.unusual.get(digest.hex()) for digest in digests] if self.unusual else [None] * len(digests)


def _read(paths: Sequence[str], *, progress: Progress) -> Iterator[tuple[bytes, Unusual | None]]:
    """The content of each file, in threads, which wait for the disk together and hash large files together."""
    parts = [paths[start : start + FILES_AT_ONCE] for start in range(0, len(paths), FILES_AT_ONCE)]
    begun, done = time.monotonic(), 0
    with ThreadPoolExecutor(READERS_PER_CORE * thread_count()) as pool:
        for part in pool.map(lambda part: [_content(path) for path in part], parts):
            for one in part:
                done += 1
                if time.monotonic() - begun > SILENT_SECONDS:
                    progress(done, len(paths))
                yield one


def _content(path: str) -> tuple[bytes, Unusual | None]:
    try:
        with open(path, "rb", buffering=0) as file:
            is_large = os.fstat(file.fileno()).st_size > WHOLE_BYTES
            content = b"" if is_large else file.read()
        if is_large:
            return bytes.fromhex(file_sha256(Path(path))), unusual(Path(path))
    except OSError:
        return UNREADABLE, None  # decoding it will name it, or it is skipped
    return hashlib.sha256(content).digest(), None if _is_usual(content) else unusual(Path(path))


def _is_usual(content: bytes) -> bool:
    """Whether a JPEG or PNG is surely opaque and of one frame; of any other file it is not known here."""
    if content.startswith(b"\xff\xd8\xff"):
        return b"MPF\0" not in content
    opaque = content.startswith(b"\x89PNG\r\n\x1a\n") and content[25:26] in (b"\0", b"\2", b"\3")
    return opaque and b"tRNS" not in content and b"acTL" not in content


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
        yield f"{plural(len(transparent), 'image')} with transparency: laid over white ({a_few(transparent)})"
    if several:
        yield f"{plural(len(several), 'image')} with several frames or pages: the first is read ({a_few(several)})"
