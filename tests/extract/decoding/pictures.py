"""Pictures that tests write, and their pixels as they are read."""

import struct
import zlib

import numpy as np

from extract.decoding.decode import decode

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def levels(path):
    return np.asarray(decode(path))


def png(bits, colors, row, *chunks):
    """A PNG of one row, with further chunks before its pixels."""
    width = len(row) * 8 // bits // {0: 1, 2: 3, 3: 1, 6: 4}[colors]
    parts = [(b"IHDR", struct.pack(">LLBBBBB", width, 1, bits, colors, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    joined = b"".join(
        struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + joined
