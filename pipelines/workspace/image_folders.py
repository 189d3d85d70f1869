"""Digests of image folders kept in a workspace: where each lies, and its files' contents while they do not change.

`contents/<16 digits of the root's sha256>.json`, one for each file of labels too,
written when a command has read a folder for a workspace that is
there. It is no part of any record, and nothing is lost with it: the folder is then read again.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from msgspec import Struct

from extract.data.contents import Contents, Known, Unusual
from extract.data.labels.columns import LabelFile
from extract.errors import StorageError
from pipelines.workspace import stored

FOLDER = "contents"
BETWEEN = "//"
_READ: dict[str, Contents] = {}  # by this process, by place: the first command in a workspace asks before it is there
_WAITING: dict[Path, dict[str, tuple[Path, LabelFile | None, str]]] = {}  # what to remember there once it is there


class _Memory(Struct, frozen=True, kw_only=True):
    """A file of `contents/`: the folder, the digest of its data set, and `Contents` of its files in columns.

    `labels` is the path of the file of labels, "" without one, `label_columns` its columns.

    `names` stand with // between them, which is in no path below a folder.
    """

    root: str
    labels: str = ""
    label_columns: tuple[str, ...] = ()
    digest: str
    names: str
    stamps: bytes
    digests: bytes
    unusual: dict[str, Unusual]

    def contents(self) -> Contents:
        """The contents as the columns say them."""
        names = self.names.split(BETWEEN) if self.names else []
        return Contents(Known.of(names, self.stamps, self.digests), self.unusual)


def contents(workspace: Path, root: Path, labels: LabelFile | None = None) -> Contents:
    """Known contents of the files below `root`, with `labels`; nothing where nothing intact is remembered."""
    real, place = os.path.realpath(root), _place(root, labels)
    if place not in _READ:
        found = stored.find(_path(workspace, place), _Memory)
        _READ[place] = Contents() if found is None or found.root != real else found.contents()
    return _READ[place]


def remember(workspace: Path, root: Path, labels: LabelFile | None = None, *, digest: str) -> None:
    """Keeps what is known of `root`, whose data set has this `digest`, in the workspace, once it is there."""
    if not (workspace / "features").is_dir():
        _WAITING.setdefault(workspace, {})[_place(root, labels)] = root, labels, digest
        return
    real, known = os.path.realpath(root), contents(workspace, root, labels)
    path = _path(workspace, _place(root, labels))
    before = None if labels is None else stored.find(path, _Memory)  # labels may change while the images do not
    is_kept = path.exists() and not known.has_changed and (before is None or before.digest == digest)
    if is_kept:
        return
    with contextlib.suppress(OSError, StorageError):  # the next command reads the folder again
        stamps, digests = known.known.columns()
        names = BETWEEN.join(known.known.names)
        memory = _Memory(
            root=real,
            labels="" if labels is None else _absolute(labels.path),
            label_columns=() if labels is None else labels.columns,
            digest=digest,
            names=names,
            stamps=stamps,
            digests=digests,
            unusual=known.unusual,
        )
        stored.write(path, memory)
        known.has_changed = False


def remember_waiting(workspace: Path) -> None:
    """Keeps what was to be remembered before the workspace was there."""
    for root, labels, digest in _WAITING.pop(workspace, {}).values():
        remember(workspace, root, labels, digest=digest)


def roots(workspace: Path, digest: str | None) -> list[tuple[Path, LabelFile | None]]:
    """The folders that held the data set of this `digest` (None: any) when last seen, and are there; their labels."""
    known = [stored.find(path, _Memory) for path in sorted((workspace / FOLDER).glob("*.json"))]
    return [
        (Path(one.root), LabelFile(one.labels, one.label_columns) if one.labels else None)
        for one in known
        if one is not None and digest in (None, one.digest) and os.path.isdir(one.root)
    ]


def _absolute(labels: str) -> str:
    """A path that means the same file from anywhere: one that is not here is found below the folder of images."""
    path = os.path.expanduser(labels)
    return os.path.abspath(path) if os.path.isfile(path) else path


def _place(root: Path, labels: LabelFile | None) -> str:
    real = os.path.realpath(root)
    return real if labels is None else "\0".join((real, _absolute(labels.path), *labels.columns))


def _path(workspace: Path, place: str) -> Path:
    return workspace / FOLDER / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.json"
