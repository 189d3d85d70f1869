"""Of a JPEG, PNG or TIFF file only what decides about its pixels; what its metadata say stands beside it.

Pillow refuses whole pixels for what stands around them: a tag of an unusual type, a long text, a color profile, a
checksum of a comment. So it is given files without all that. Other formats it is given as they are.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from extract.decoding.pieces import Piece, Pieces
from extract.decoding.tags import Tags, exif_orientation, orientation_of, xmp_orientation

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
MOST_TEXT_BYTES = 2**24  # of all text chunks of a file that are unpacked
EXIF_TEXT, XMP_TEXT = b"Raw profile type exif", b"XML:com.adobe.xmp"
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
XMP_TAG = 700
AVIF_HEAD_BYTES = 2**18  # in which the list of items stands
AVIF_EXIF = re.compile(rb"infe[\2\3].{3}(?:..|.{4})..(Exif)", re.DOTALL)
# Size, bits, compression, colors, strips, tiles, planes and codecs: the tags that decide about pixels.
TIFF_KEPT = frozenset(
    (
        *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339),
        *(347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 34925, 37439, 50674, 0xBC01),
    )
)


@dataclass(frozen=True)
class Stripped:
    """`stream` holds the pixels. `orientation` (1 to 8) and `frames` are None where Pillow is to be asked."""

    stream: BinaryIO
    orientation: int | None = None
    frames: int | None = None


def stripped(file: BinaryIO) -> Stripped:
    """The parts of a file that decide about its pixels; it stays open and is read through the stream."""
    file.seek(0)
    start = file.read(16)
    size = file.seek(0, io.SEEK_END)
    if start.startswith(b"\xff\xd8\xff"):
        return _jpeg(file, size)
    if start.startswith(PNG_SIGNATURE):
        return _png(file, size)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(file, size)
    return Stripped(_avif(file, size) if start[4:8] == b"ftyp" else _whole(file))


def _whole(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def _avif(file: BinaryIO, size: int) -> BinaryIO:
    """An AVIF without its EXIF data, which Pillow writes anew: the item gets a type that nobody knows.

    Orientation is a property of the picture in AVIF, whatever its EXIF data say.
    """
    found = AVIF_EXIF.search(_at(file, 0, AVIF_HEAD_BYTES))
    return _whole(file) if found is None else _stream(file, [(0, found.start(1)), b"skip", (found.end(1), size)])


def _stream(file: BinaryIO, pieces: list[Piece]) -> BinaryIO:
    return io.BufferedReader(Pieces(file, pieces))


def _jpeg(file: BinaryIO, size: int) -> Stripped:
    pieces: list[Piece] = [(0, 2)]
    exif, xmp, frames, end = b"", b"", 1, 2
    for marker, start, end in _segments(file, size):
        if marker not in (*range(0xE0, 0xF0), 0xFE):
            pieces.append((start, end))
            continue
        body = _at(file, start + 4, end - start - 4)
        if (body.startswith(b"JFIF\0") and len(body) >= 12) or (body.startswith(b"Adobe") and len(body) >= 12):
            pieces.append((start, end))  # they say what the colors are
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif += body[6:] if exif else body
        elif marker == 0xE1 and body.startswith(XMP_NAME):
            xmp = body
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            frames = _pictures(body[4:])
    pieces.append((end, size))
    turned = exif_orientation(exif) or xmp_orientation(xmp) or 1
    return Stripped(_stream(file, pieces), turned, 1 if b' hdrgm:Version="' in xmp else frames)


def _segments(file: BinaryIO, size: int) -> Iterator[tuple[int, int, int]]:
    start = 2
    while True:
        head = _at(file, start, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0x00, 0x01, *range(0xD0, 0xDB)):
            return
        if head[1] == 0xFF:  # a fill byte
            start += 1
            continue
        end = start + 2 + struct.unpack(">H", head[2:])[0]
        if end > size or end < start + 4:
            return
        yield head[1], start, end
        start = end


def _pictures(index: bytes) -> int:
    """How many pictures a multi-picture index counts; 1 where it is damaged."""
    try:
        tags = Tags(io.BytesIO(index))
    except ValueError:
        return 1
    directory = tags.directory(tags.first)
    entries = () if directory is None else directory.entries
    return next((int(tags.number(entry) or 1) for entry in entries if entry.tag == 0xB001), 1)


def _png(file: BinaryIO, size: int) -> Stripped:
    pieces: list[Piece] = [(0, 8)]
    exif, xmp, frames, header, end, left = b"", b"", 1, b"", 8, MOST_TEXT_BYTES
    for kind, start, end in _chunks(file, size):
        chunk = start, end
        if kind in PNG_KEPT:
            pieces.append(chunk)
            header = _at(file, start + 8, 13) if kind == b"IHDR" else header
        elif kind == b"tRNS" and (body := _transparency(_ancillary(file, chunk), header)):
            pieces.append(_chunk(b"tRNS", body))
        elif kind == b"acTL" and (body := _ancillary(file, chunk)):
            frames = max(int.from_bytes(body[:4], "big"), 1)
        elif kind == b"eXIf":
            exif = _ancillary(file, chunk) or exif
        elif kind in (b"tEXt", b"zTXt", b"iTXt") and left > 0:
            name, text = _text(kind, _ancillary(file, chunk), most=left)
            left -= len(text)
            exif = exif or (_from_hex(text) if name == EXIF_TEXT else b"")
            xmp = text if name == XMP_TEXT else xmp
    pieces.append((end, size))  # what is no chunk: Pillow decides
    return Stripped(_stream(file, pieces), exif_orientation(exif) or xmp_orientation(xmp) or 1, frames)


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    start = 8
    while len(head := _at(file, start, 8)) == 8:
        end = start + 12 + int.from_bytes(head[:4], "big")
        if end > size or not head[4:].isalpha():
            return
        yield head[4:], start, end
        start = end


def _ancillary(file: BinaryIO, chunk: tuple[int, int]) -> bytes:
    raw = _at(file, chunk[0] + 4, chunk[1] - chunk[0] - 4)
    return raw[4:-4] if zlib.crc32(raw[:-4]) == int.from_bytes(raw[-4:], "big") else b""


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def _transparency(body: bytes, header: bytes) -> bytes:
    """What a PNG says is transparent, at the length that its colors want; nothing where it cannot be meant."""
    bits, colors = header[8:10] if len(header) == 13 else (0, 0)
    length = {0: 2, 2: 6, 3: 2**bits}.get(colors, 0)
    is_complete = len(body) >= length or colors == 3  # of a palette, the first entries may be all that are named
    return _in_eight_bits(body[:length], bits=bits, colors=colors) if body and length and is_complete else b""


def _in_eight_bits(transparency: bytes, *, bits: int, colors: int) -> bytes:
    """The transparent level or color as Pillow holds it: of 8 bits, but of 16 for gray levels of 16."""
    if colors == 0 and bits < 8:
        level = int.from_bytes(transparency[:2], "big") * 255 // (2**bits - 1)
        return struct.pack(">H", min(level, 255))
    if colors == 2 and bits == 16:
        return bytes(byte for high in transparency[0:6:2] for byte in (0, high))
    return transparency


def _text(kind: bytes, body: bytes, *, most: int) -> tuple[bytes, bytes]:
    """(name, the first `most` bytes of the text) of a text chunk; no text where it is damaged or decides nothing."""
    name, _, rest = body.partition(b"\0")
    if name not in (EXIF_TEXT, XMP_TEXT):
        return name, b""
    packed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"iTXt":
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif kind == b"zTXt":
        rest = rest[1:]
    if not packed:
        return name, rest[:most]
    try:
        return name, zlib.decompressobj().decompress(rest, most)
    except zlib.error:
        return name, b""


def _from_hex(text: bytes) -> bytes:
    """EXIF data as ImageMagick writes them: two lines of heading, then hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.decode("ascii").split("\n")[3:]))
    except ValueError:
        return b""


def _tiff(file: BinaryIO, size: int) -> Stripped:
    tags = Tags(file)
    directories = list(tags.directories())
    if not directories:
        return Stripped(_whole(file))
    first = directories[0]
    kept = [entry.content for entry in first.entries if entry.tag in TIFF_KEPT]
    wide, count = ("Q", "Q") if tags.big else ("L", "H")
    place = size + size % 2
    head = _at(file, 0, tags.header_bytes - struct.calcsize(f"={wide}")) + struct.pack(f"{tags.order}{wide}", place)
    table = struct.pack(f"{tags.order}{count}", len(kept)) + b"".join(kept) + bytes(struct.calcsize(f"={wide}"))
    pieces: list[Piece] = [head, (tags.header_bytes, size), bytes(size % 2), table]
    turned = orientation_of(tags, first)
    xmp = next((entry for entry in first.entries if entry.tag == XMP_TAG), None)
    if turned is None and xmp is not None:
        turned = xmp_orientation(tags.raw(xmp))
    return Stripped(_stream(file, pieces), turned or 1, len(directories))


def _at(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)
