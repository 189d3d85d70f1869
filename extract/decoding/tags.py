"""Directories of tags as TIFF, EXIF and multi-picture files hold them, read one entry at a time.

A damaged or unusual entry is passed over and costs nothing else. TIFF 6.0, section 2; BigTIFF (magic number 43).
"""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

ORIENTATION = 0x0112
PLAIN = ("H", 1)  # (type, count) of an orientation as the standard wants it
# Of each type: how `struct` reads one value, and whether it is a pair that stands for a fraction.
TYPES = {1: "B", 2: "s", 3: "H", 4: "L", 5: "LL", 6: "b", 7: "B", 8: "h", 9: "l", 10: "ll", 11: "f", 12: "d"}
TYPES |= {13: "L", 16: "Q", 17: "q", 18: "Q"}
MOST_DIRECTORIES = 100_000


@dataclass(frozen=True)
class Entry:
    """One tag: `content` are its bytes in the file, `inline` those of its value or of the value's place."""

    tag: int
    kind: int
    count: int
    content: bytes
    inline: bytes


@dataclass(frozen=True)
class Directory:
    """The complete entries of a directory, and the place of the next one (0: none)."""

    entries: tuple[Entry, ...]
    following: int


class Tags:
    """The directories of a stream that begins as a TIFF file does. Raises `ValueError` for any other."""

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        head = stream.read(16)
        orders = {b"II": "<", b"MM": ">"}
        if len(head) < 8 or head[:2] not in orders:
            raise ValueError("no directory of tags")
        self._stream = stream
        self.order = orders[head[:2]]
        self.big = 43 in head[2:4]
        if self.big and len(head) < 16:
            raise ValueError("no directory of tags")
        self.header_bytes = 16 if self.big else 8
        self.first: int = self._number(head[8:16] if self.big else head[4:8], "Q" if self.big else "L")

    def directories(self) -> Iterator[Directory]:
        """Each directory, the first one first; one that leads back to an earlier one is the last."""
        seen: set[int] = set()
        place = self.first
        while place and place not in seen and len(seen) < MOST_DIRECTORIES:
            seen.add(place)
            found = self.directory(place)
            if found is None:
                return
            yield found
            place = found.following

    def directory(self, place: int) -> Directory | None:
        """The directory at a place; None where the stream has none there."""
        counter, length = ("Q", 20) if self.big else ("H", 12)
        self._stream.seek(place)
        counted = self._stream.read(struct.calcsize(f"={counter}"))
        if len(counted) < struct.calcsize(f"={counter}"):
            return None
        count = min(self._number(counted, counter), 65535)
        table = self._stream.read(count * length)
        entries = tuple(self._entry(table[at : at + length]) for at in range(0, len(table) - length + 1, length))
        wide = "Q" if self.big else "L"
        rest = self._stream.read(struct.calcsize(f"={wide}"))
        following = self._number(rest, wide) if len(rest) == struct.calcsize(f"={wide}") else 0
        return Directory(entries, following)

    def number(self, entry: Entry) -> float | None:
        """The first value of an entry as a number; None where it is none."""
        kind = TYPES.get(entry.kind)
        if kind is None or entry.count < 1:
            return None
        size = struct.calcsize(f"={kind}") * (entry.count if kind == "s" else 1)
        held = struct.calcsize(f"={kind}") * entry.count <= len(entry.inline)
        raw = entry.inline[:size] if held else self._at(entry, min(size, 64))
        try:
            if kind == "s":
                return float(raw.split(b"\0")[0])
            values = struct.unpack(f"{self.order}{kind}", raw)
            return values[0] if len(values) == 1 else values[0] / values[1]
        except (struct.error, ValueError, ZeroDivisionError):
            return None

    def raw(self, entry: Entry) -> bytes:
        """The bytes of an entry whose values take one byte each."""
        return entry.inline[: entry.count] if entry.count <= len(entry.inline) else self._at(entry, entry.count)

    def _at(self, entry: Entry, size: int) -> bytes:
        self._stream.seek(self._number(entry.inline, "Q" if self.big else "L"))
        return self._stream.read(size)

    def _entry(self, content: bytes) -> Entry:
        tag, kind, count = struct.unpack_from(f"{self.order}HH{'Q' if self.big else 'L'}", content)
        return Entry(tag, kind, count, content, content[12:] if self.big else content[8:])

    def _number(self, raw: bytes, kind: str) -> int:
        return struct.unpack(f"{self.order}{kind}", raw)[0]


def orientation_of(tags: Tags, directory: Directory) -> int | None:
    """The orientation that a directory gives, 1 to 8; None without one.

    Of several the first that is written as it should be counts, else the first that can be read.
    """
    found = [entry for entry in directory.entries if entry.tag == ORIENTATION]
    found.sort(key=lambda entry: (TYPES.get(entry.kind), entry.count) != PLAIN)  # stable: the first stays first
    values = (tags.number(entry) for entry in found)
    return next((int(value) for value in values if value is not None and value in range(1, 9)), None)


def exif_orientation(exif: bytes) -> int | None:
    """The orientation that EXIF data give, 1 to 8; None where they give none or are damaged."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    try:
        tags = Tags(io.BytesIO(exif))
    except ValueError:
        return None
    directory = tags.directory(tags.first)
    return None if directory is None else orientation_of(tags, directory)


def xmp_orientation(xmp: bytes) -> int | None:
    """The orientation that XMP data give, 1 to 8; None without one."""
    found = re.search(rb'tiff:Orientation(?:="|>)([1-8])', xmp)
    return None if found is None else int(found[1])
