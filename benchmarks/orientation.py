"""Check that photographs come the right way up whatever else their EXIF data hold.

Every combination of a known tag, a type, a count and a filling stands before or behind the orientation, with each of
the eight orientations; each JPEG must decode to the picture of orientation 1, turned. `--upstream` counts besides how
many of them `ImageOps.exif_transpose` refuses.

    python -m benchmarks.orientation [--upstream]
"""

import argparse
import io
import itertools
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from benchmarks.hardware import write
from extract.decoding.decode import TURNS, UnreadableImage, decode
from extract.runtime.devices import Stopwatch

ORIENTATION = 0x0112
TAGS = tuple(sorted(tag for tag in ExifTags.TAGS if tag != ORIENTATION))
TYPES = tuple(range(1, 13))
COUNTS = (1, 2, 5)  # within the entry, at its brim, and at a place elsewhere
FILLINGS = (b"\0\0\0\0", b"\xff\xff\xff\xff")  # a value, or a place that is not there


class Combination(NamedTuple):
    """One odd entry of a directory of tags."""

    tag: int
    kind: int
    count: int
    filling: bytes


def combinations() -> Iterator[Combination]:
    """Every known tag with every type, count and filling."""
    return itertools.starmap(Combination, itertools.product(TAGS, TYPES, COUNTS, FILLINGS))


def exif(odd: Combination, orientation: int, *, order: str = "<") -> bytes:
    """EXIF data of two entries, sorted by tag: the odd one, and the orientation as it should be."""
    entries = [
        (odd.tag, struct.pack(f"{order}HHL", odd.tag, odd.kind, odd.count) + odd.filling),
        (ORIENTATION, struct.pack(f"{order}HHLHH", ORIENTATION, 3, 1, orientation, 0)),
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}L", 8)
    return head + struct.pack(f"{order}H", 2) + b"".join(whole for _, whole in sorted(entries)) + bytes(4)


def jpeg(plain: bytes, data: bytes) -> bytes:
    """A JPEG with EXIF data behind its first marker."""
    body = b"Exif\0\0" + data
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]


def picture() -> bytes:
    """A small JPEG that looks another way in each orientation."""
    stream = io.BytesIO()
    levels = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    Image.fromarray(levels).save(stream, "JPEG")
    return stream.getvalue()


def is_upright(path: Path, whole: bytes, *, wanted: np.ndarray) -> bool:
    """Whether a file of these bytes decodes to the levels `wanted`."""
    path.write_bytes(whole)
    try:
        return np.array_equal(np.asarray(decode(path)), wanted)
    except UnreadableImage:
        return False


def turned(path: Path, plain: bytes) -> dict[int, np.ndarray]:
    """The levels that each orientation should give."""
    path.write_bytes(plain)
    upright = decode(path)
    return {one: np.asarray(upright.transpose(TURNS[one]) if one in TURNS else upright) for one in range(1, 9)}


def main() -> None:
    """Decodes all and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", action="store_true")
    given = parser.parse_args()
    plain, watch = picture(), Stopwatch("cpu")
    counted = {"combinations": 0, "decodings": 0, "upright": 0, "refused by exif_transpose": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.jpg"
        wanted = turned(path, plain)
        for odd in combinations():
            counted["combinations"] += 1
            for orientation in range(1, 9):
                whole = jpeg(plain, exif(odd, orientation, order="<>"[orientation % 2]))
                counted["decodings"] += 1
                counted["upright"] += is_upright(path, whole, wanted=wanted[orientation])
                if given.upstream:
                    counted["refused by exif_transpose"] += _is_refused(whole)
    if not given.upstream:
        del counted["refused by exif_transpose"]
    print(counted, write("orientation", {**counted, "seconds": watch.seconds()}, libraries=("pillow", "numpy")))


def _is_refused(whole: bytes) -> bool:
    try:
        ImageOps.exif_transpose(Image.open(io.BytesIO(whole)))
    except Exception:  # noqa: BLE001 (whatever it raises is what is counted)
        return True
    return False


if __name__ == "__main__":
    main()
