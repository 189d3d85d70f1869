"""Small JSON files of a workspace: written in one step, each with a checksum of all that it holds, checked on reading.

The checksum stands in the object itself, under `checksum`: the sha256 of the canonical JSON of the rest. One changed
digit is seen, and a person can still read the file. Nothing that a stranger may have written is executed.
"""

import json
import math
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from extract.errors import CorruptFileError
from extract.features.layout import canonical_json
from extract.runtime.disk import write_file
from extract.runtime.typed_json import ShapeError, T, checksummed, encoded, typed, verified

CHECKSUM = "checksum"


def write(path: Path, values: Mapping[str, object] | msgspec.Struct) -> None:
    """Writes `values` with their checksum as one line of JSON; an earlier file is replaced in one step.

    The folder is made where it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, line(values))


def read(path: Path, kind: type[T], *, thing: str, remedy: str) -> T:
    """The object in the file, without its checksum, as a `kind` (see `extract.runtime.typed_json`).

    Raises `CorruptFileError` otherwise: "`thing` must be intact; got `path`: what is wrong. `remedy`".
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ShapeError("it is no ordinary file")  # to read a pipe is to wait for ever
        return typed(checked(path.read_bytes()), kind)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise damaged(path, reason or "it cannot be read", thing=thing, remedy=remedy) from error


def find(path: Path, kind: type[T]) -> T | None:
    """The object in the file as `read` gives it; None where there is none that is intact."""
    try:
        return read(path, kind, thing="", remedy="")
    except CorruptFileError:
        return None


def damaged(path: Path, what: str, *, thing: str, remedy: str) -> CorruptFileError:
    """The error for a file that is not as it was written."""
    return CorruptFileError(f"{thing} must be intact; got {str(path)!r}: {what}. {remedy}")


def line(values: Mapping[str, object] | msgspec.Struct) -> bytes:
    """`values` as one line of JSON, their checksum last; numbers that are not finite become null."""
    plain = finite(values)
    text = json.dumps(checksummed(plain, CHECKSUM, canonical_json), ensure_ascii=False, allow_nan=False)
    return encoded(text) + b"\n"


def checked(content: bytes) -> dict[str, object]:
    """The object that `line` wrote. Raises `ShapeError` where it is another, or none."""
    return verified(content, CHECKSUM, canonical_json)


def finite(value: Any) -> Any:
    """`value` as JSON gives it back: None for every NaN and infinity in it, tuples as lists."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, enc_hook=float)
    if isinstance(value, Mapping):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
