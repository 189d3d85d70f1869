"""The seal of a feature file: a short text in its HDF5 user block that vouches for every byte but the features.

The HDF5 library trusts its own metadata; with one bit of it flipped, it may crash or never return. So the seal
is checked before the library sees the file. It holds a SHA-256 of all bytes outside the given regions (the
features, whose blocks have checksums of their own) and outside itself.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from extract.errors import CorruptFileError

BYTES = 1024  # size of the user block; a power of two from 512, as HDF5 wants it
MAGIC = "transfer-bench features"


@dataclass(frozen=True)
class Seal:
    """`regions` are (offset, length) in bytes that the `sha256` leaves out; `file_bytes` is the file's length."""

    magic: str
    schema: int
    complete: bool
    file_bytes: int
    regions: tuple[tuple[int, int], ...]
    sha256: str


def write(path: Path, *, schema: int, complete: bool, regions: list[tuple[int, int]]) -> None:
    """Seals the file at `path`, which keeps `BYTES` free at its start."""
    length = path.stat().st_size
    seal = Seal(MAGIC, schema, complete, length, tuple(sorted(regions)), _digest(path, regions, length))
    text = json.dumps(asdict(seal), separators=(",", ":")).encode() + b"\n"
    with path.open("r+b") as file:
        file.write(text.ljust(BYTES, b"\0"))


def read(path: Path) -> Seal | None:
    """The seal at the start of the file, unchecked; None when there is none that can be read."""
    with path.open("rb") as file:
        text = file.read(BYTES).rstrip(b"\0")
    try:
        values = json.loads(text)
        regions = tuple((int(offset), int(length)) for offset, length in values.pop("regions"))
        seal = Seal(regions=regions, **values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return seal if seal.magic == MAGIC and isinstance(seal.file_bytes, int) else None


def broken(path: Path, seal: Seal) -> str:
    """What is wrong with the file according to its seal, or an empty text."""
    length = path.stat().st_size
    if length != seal.file_bytes:
        return f"it has {length} bytes instead of {seal.file_bytes}"
    if any(offset < BYTES or size < 0 or offset + size > length for offset, size in seal.regions):
        return "its seal was altered"
    if _digest(path, list(seal.regions), length) != seal.sha256:
        return "its labels, names or structure were altered"
    return ""


def check(path: Path, *, schema: int) -> None:
    """Raises `CorruptFileError`, saying what is wrong, unless the file is sealed, complete and of this `schema`."""
    seal = read(path)
    if seal is None:
        what = "it is not a feature file of this project, or its first bytes were altered"
    elif seal.schema != schema:
        what = f"its schema is {seal.schema}, this version reads {schema}"
    elif seal.complete is not True:
        what = "it was never completed"
    else:
        what = broken(path, seal)
    if what:
        raise damaged(path, what)


def damaged(path: Path, what: str) -> CorruptFileError:
    """The error for a feature file with which something is wrong."""
    return CorruptFileError(
        f"feature file must be whole and its own; got {str(path)!r}: {what}. Remove it and extract again."
    )


def _digest(path: Path, regions: list[tuple[int, int]], length: int) -> str:
    total = hashlib.sha256(json.dumps([length, sorted(regions)]).encode())
    with path.open("rb") as file:
        place = BYTES
        for offset, size in [*sorted(regions), (length, 0)]:
            file.seek(place)
            total.update(file.read(max(offset - place, 0)))
            place = max(offset + size, place)
    return total.hexdigest()
