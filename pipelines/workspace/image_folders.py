"""What a workspace remembers of folders of images: where each lies, and what its files hold while they stay the same.

`contents/<16 digits of the root's sha256>.json`, written when a command has read a folder for a workspace that is
there. It is no part of any record, and nothing is lost with it: the folder is then read again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extract.data.contents import Contents, Unusual
from extract.errors import StorageError
from extract.features.layout import canonical_json
from extract.runtime.disk import write_file

FOLDER = "contents"
_READ: dict[str, Contents] = {}  # by this process, by root: the first command in a workspace asks before it is there


def contents(workspace: Path, root: Path) -> Contents:
    """What is known of the files below `root`; nothing where nothing whole is remembered."""
    real = os.path.realpath(root)
    if real not in _READ:
        found = _noted(_path(workspace, real))
        whole = found if found is not None and found["root"] == real and "unusual" in found else None
        files, odd = (whole["files"], whole["unusual"]) if whole is not None else ({}, {})
        _READ[real] = Contents(
            {name: (tuple(stamp), digest) for name, (stamp, digest) in files.items()},
            {digest: Unusual(*values) for digest, values in odd.items()},
        )
    return _READ[real]


def remember(workspace: Path, root: Path, *, digest: str) -> None:
    """Keeps what is known of `root`, whose data set has this `digest`, where there is a workspace to keep it in."""
    real, known = os.path.realpath(root), contents(workspace, root)
    path = _path(workspace, real)
    if not (workspace / "features").is_dir() or (path.exists() and not known.has_changed):
        return
    files = {name: [list(stamp), one] for name, (stamp, one) in known.known.items()}
    odd = {one: list(values) for one, values in known.unusual.items()}
    values = {"root": real, "digest": digest, "files": files, "unusual": odd}
    with contextlib.suppress(OSError, StorageError):  # the next command reads the folder again
        path.parent.mkdir(exist_ok=True)
        write_file(path, json.dumps({**values, "sha256": _digest(values)}).encode())
        known.has_changed = False


def roots(workspace: Path, digest: str) -> list[Path]:
    """The folders that held the data set of this `digest` when the workspace last saw them, and are there."""
    known = [found for path in sorted((workspace / FOLDER).glob("*.json")) for found in _found(path)]
    return [Path(one["root"]) for one in known if one["digest"] == digest and os.path.isdir(one["root"])]


def _found(path: Path) -> Iterator[dict[str, Any]]:
    found = _noted(path)
    if found is not None:
        yield found


def _path(workspace: Path, real: str) -> Path:
    return workspace / FOLDER / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}.json"


def _noted(path: Path) -> dict[str, Any] | None:
    """What stands in the file; None where it is not there or not as it was written."""
    try:
        values = json.loads(path.read_bytes())
        digest = values.pop("sha256")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return values if digest == _digest(values) else None


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values).encode(errors="surrogatepass")).hexdigest()
