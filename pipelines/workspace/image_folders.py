"""Digests of image folders kept in a workspace: where each lies, and its files' contents while they do not change.

`contents/<16 digits of the root's sha256>.json`, written when a command has read a folder for a workspace that is
there. It is no part of any record, and nothing is lost with it: the folder is then read again.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from msgspec import Struct

from extract.data.contents import Contents, Known, Unusual
from extract.errors import CorruptFileError, StorageError
from pipelines.workspace import stored

FOLDER = "contents"
BETWEEN = "//"
_READ: dict[str, Contents] = {}  # by this process, by root: the first command in a workspace asks before it is there


class _Memory(Struct, frozen=True, kw_only=True):
    """A file of `contents/`: the folder, the digest of its data set, and `Contents` of its files in columns.

    `names` stand with // between them, which is in no path below a folder.
    """

    root: str
    digest: str
    names: str
    stamps: bytes
    digests: bytes
    unusual: dict[str, Unusual]

    def contents(self) -> Contents:
        """The contents as the columns say them."""
        names = self.names.split(BETWEEN) if self.names else []
        return Contents(Known.of(names, self.stamps, self.digests), self.unusual)


def contents(workspace: Path, root: Path) -> Contents:
    """Known contents of the files below `root`; nothing where nothing intact is remembered."""
    real = os.path.realpath(root)
    if real not in _READ:
        found = _read(_path(workspace, real))
        _READ[real] = Contents() if found is None or found.root != real else found.contents()
    return _READ[real]


def remember(workspace: Path, root: Path, *, digest: str) -> None:
    """Keeps what is known of `root`, whose data set has this `digest`, where there is a workspace to keep it in."""
    real, known = os.path.realpath(root), contents(workspace, root)
    path = _path(workspace, real)
    if not (workspace / "features").is_dir() or (path.exists() and not known.has_changed):
        return
    with contextlib.suppress(OSError, StorageError):  # the next command reads the folder again
        path.parent.mkdir(exist_ok=True)
        stamps, digests = known.known.columns()
        names = BETWEEN.join(known.known.names)
        memory = _Memory(root=real, digest=digest, names=names, stamps=stamps, digests=digests, unusual=known.unusual)
        stored.write(path, memory)
        known.has_changed = False


def roots(workspace: Path, digest: str | None) -> list[Path]:
    """The folders that held the data set of this `digest` (None: any) when last seen, and are there."""
    known = [_read(path) for path in sorted((workspace / FOLDER).glob("*.json"))]
    return [
        Path(one.root) for one in known if one is not None and digest in (None, one.digest) and os.path.isdir(one.root)
    ]


def _path(workspace: Path, real: str) -> Path:
    return workspace / FOLDER / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}.json"


def _read(path: Path) -> _Memory | None:
    """What stands in the file; None where it is not there or not as it was written."""
    try:
        return stored.read(path, _Memory, thing="memory of a folder", remedy="The folder is read again.")
    except CorruptFileError:
        return None
