"""The integrity header of a feature file: a text in its HDF5 user block that vouches for every byte but the features.

The HDF5 library trusts its own metadata; with one bit of it flipped, it may crash or never return. So the header is
checked before the library sees the file. It holds a SHA-256 of all bytes outside the given regions (the features,
whose blocks have checksums of their own) and outside itself.
"""

import hashlib
import json
from pathlib import Path

import msgspec

from extract.errors import CorruptFileError

BYTES = 1024  # size of the user block; a power of two from 512, as HDF5 wants it
MAGIC = "transfer-bench features"
Regions = tuple[tuple[int, int], ...]  # (offset, length) in bytes
# Where HDF5 2.0 marks a file that is open for writing, with the checksum over it (superblock of version 2): a killed
# writer leaves the mark, and closing takes it away.
OPEN_MARK: Regions = ((BYTES + 11, 1), (BYTES + 44, 4))


class IntegrityHeader(msgspec.Struct, frozen=True):
    """`regions` are those that the `sha256` leaves out; `file_bytes` is the file's length."""

    magic: str
    schema: int
    complete: bool
    file_bytes: int
    regions: Regions
    sha256: str


def write(path: Path, *, schema: int, complete: bool, regions: Regions) -> None:
    """Writes the header of the file at `path`, which keeps `BYTES` free at its start."""
    length = path.stat().st_size
    header = IntegrityHeader(MAGIC, schema, complete, length, regions, _digest(path, regions, length))
    with path.open("r+b") as file:
        file.write((msgspec.json.encode(header) + b"\n").ljust(BYTES, b"\0"))


def read(path: Path) -> IntegrityHeader | None:
    """The header at the start of the file, unchecked; None when there is none that can be read."""
    with path.open("rb") as file:
        text = file.read(BYTES).rstrip(b"\0")
    try:
        header = msgspec.json.decode(text, type=IntegrityHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return header if header.magic == MAGIC else None


def broken(path: Path, header: IntegrityHeader) -> str:
    """Damage of the file according to its header, or an empty text."""
    length = path.stat().st_size
    if length != header.file_bytes:
        return f"it has {length} bytes instead of {header.file_bytes}"
    if any(offset < BYTES or size < 0 or offset + size > length for offset, size in header.regions):
        return "its integrity header was altered"
    if _digest(path, header.regions, length) != header.sha256:
        return "its labels, names or structure were altered"
    return ""


def check(path: Path, *, schema: int) -> None:
    """Raises `CorruptFileError`, saying what is wrong, unless the file is intact, complete and of this `schema`."""
    header = read(path)
    if header is None:
        raise CorruptFileError(
            f"feature file must be one of this project; got {str(path)!r}, which is none, or whose first bytes were "
            "altered. `pipeline extract` makes one."
        )
    if header.schema != schema:
        what = f"its schema is {header.schema}, this version reads {schema}"
    elif not header.complete:
        what = "it was never completed"
    else:
        what = broken(path, header)
    if what:
        raise damaged(path, what)


def damaged(path: Path, what: str) -> CorruptFileError:
    """The error for a feature file with which something is wrong."""
    return CorruptFileError(f"feature file must be intact; got {str(path)!r}: {what}. Remove it and extract again.")


def _digest(path: Path, regions: Regions, length: int) -> str:
    total = hashlib.sha256(json.dumps([length, sorted(regions)]).encode())
    with path.open("rb") as file:
        place = BYTES
        for offset, size in [*sorted(regions), (length, 0)]:
            file.seek(place)
            total.update(file.read(max(offset - place, 0)))
            place = max(offset + size, place)
    return total.hexdigest()
