"""Small JSON files of a workspace: written in one step, each with a checksum of all that it holds, checked on reading.

The checksum stands in the object itself, under `checksum`: the sha256 of the canonical JSON of the rest. One changed
digit is seen, and a person can still read the file. Nothing that a stranger may have written is executed.
"""

import hashlib
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
from extract.runtime.typed_json import T, typed

CHECKSUM = "checksum"


class Foreign(ValueError):
    """Error of a text that is no checked object."""


def write(path: Path, values: Mapping[str, object] | msgspec.Struct) -> None:
    """Writes `values` with their checksum as one line of JSON; an earlier file is replaced in one step."""
    write_file(path, line(values))


def read(path: Path, kind: type[T], *, thing: str, remedy: str) -> T:
    """The object in the file, without its checksum, as a `kind` (see `extract.runtime.typed_json`).

    Raises `CorruptFileError` otherwise: "`thing` must be intact; got `path`: what is wrong. `remedy`".
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Foreign("it is no ordinary file")  # to read a pipe is to wait for ever
        return typed(checked(path.read_bytes()), kind)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise damaged(path, reason or "it cannot be read", thing=thing, remedy=remedy) from error


def damaged(path: Path, what: str, *, thing: str, remedy: str) -> CorruptFileError:
    """The error for a file that is not as it was written."""
    return CorruptFileError(f"{thing} must be intact; got {str(path)!r}: {what}. {remedy}")


def line(values: Mapping[str, object] | msgspec.Struct) -> bytes:
    """`values` as one line of JSON, their checksum last; numbers that are not finite become null."""
    plain = finite(values)
    text = json.dumps({**plain, CHECKSUM: _checksum(plain)}, ensure_ascii=False, allow_nan=False)
    return _encoded(text) + b"\n"


def checked(content: bytes) -> dict[str, object]:
    """The object that `line` wrote. Raises `Foreign` where it is another, or none."""
    try:
        values = json.loads(content, parse_constant=_refuse)
    except RecursionError as error:
        raise Foreign("it is nested too deeply") from error
    except ValueError as error:
        raise Foreign("it is no JSON") from error
    if not isinstance(values, dict):
        raise Foreign("it is no JSON object")
    if CHECKSUM not in values:
        raise Foreign("it has no checksum, so it is of an earlier version or foreign")
    if values.pop(CHECKSUM) != _checksum(values):
        raise Foreign("it is not as it was written (its checksum is another)")
    return values


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


def _checksum(values: Mapping[str, object]) -> str:
    return hashlib.sha256(_encoded(canonical_json(values))).hexdigest()


def _encoded(text: str) -> bytes:
    """UTF-8; half a surrogate pair (a file name that is no UTF-8) as the escape by which JSON knows it."""
    return text.encode("utf-8", "backslashreplace")


def _refuse(name: str) -> None:
    raise Foreign(f"{name} is no number")
