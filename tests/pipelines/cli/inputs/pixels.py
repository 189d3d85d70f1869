"""Images whose metadata, transparency, depth, frames or shape are unusual."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from tests.pipelines.cli.inputs.case import FIT, Case, make_photos


def odd_exif(orientation: int) -> bytes:
    """EXIF data with a resolution as text, as some cameras write it, before or behind the orientation."""
    entries = struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0) + struct.pack("<HHI4s", 0x11A, 2, 3, b"72")
    return b"Exif\0\0II*\0\x08\0\0\0\x02\0" + entries + bytes(4)


def with_one(name: str, image: Image.Image, **save: object):
    """Photographs, and one more file among them."""

    def make(folder: Path) -> None:
        make_photos(folder / "D")
        image.save(folder / "D" / "red" / name, **save)

    return make


def with_bytes(name: str, content: bytes):
    """Photographs, and a file of these bytes among them."""

    def make(folder: Path) -> None:
        make_photos(folder / "D")
        (folder / "D" / "red" / name).write_bytes(content)

    return make


def long_text() -> PngImagePlugin.PngInfo:
    """A comment of more text than Pillow reads."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 3_000_000, zip=True)
    return text


def png_of(*chunks: bytes) -> bytes:
    """A PNG of nine gray pixels with these chunks, given as kind and content in turns, before them."""
    pixels = (b"IDAT", zlib.compress(b"\0\1\2\3" * 3), b"IEND", b"")
    parts = (b"IHDR", struct.pack(">LLBBBBB", 3, 3, 8, 0, 0, 0, 0), *chunks, *pixels)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))
        for kind, body in zip(parts[::2], parts[1::2], strict=True)
    )


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8))
FIT_D = (*FIT, "D")
BORDER = ("extract", "--backbone", "test_vit", "--weights", "untrained", "--image-size", "64", "--dataset", "D")

CASES = [
    Case(
        "turned photographs with an unusual tag",
        ((*FIT_D, "--json"),),
        lambda folder: make_photos(folder / "D", suffix=".jpg", exif=odd_exif(6)),
    ),
    Case("garbage for EXIF data", (FIT_D,), with_one("odd.jpg", NOISE, exif=b"Exif\0\0garbage!")),
    Case("a PNG with a long text", (FIT_D,), with_one("odd.png", NOISE, pnginfo=long_text())),
    Case("a transparent picture", (FIT_D,), with_one("odd.png", Image.new("RGBA", (9, 9), (0, 0, 0, 0)))),
    Case(
        "a palette with transparency",
        (FIT_D,),
        with_one("odd.png", NOISE.convert("P"), transparency=bytes(range(256))),
    ),
    Case("a picture of several frames", (FIT_D,), with_one("odd.gif", NOISE, save_all=True, append_images=[NOISE])),
    Case("a strip", (FIT_D, BORDER), with_one("odd.png", Image.new("RGB", (20_000, 1)))),
    Case(
        "PostScript called PNG",
        (FIT_D,),
        with_bytes("odd.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        statuses=(2,),
        says="it holds no picture of",
    ),
    Case("a PNG whose transparent color is cut", (FIT_D,), with_bytes("odd.png", png_of(b"tRNS", b"\0"))),
    Case(
        "a PNG of texts that unpack to gigabytes",
        (FIT_D,),
        with_bytes("odd.png", png_of(*(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(2**26))) * 40)),
    ),
    *(
        Case(f"{says} called PNG", (FIT_D,), with_bytes("odd.png", content), statuses=(2,), says=says)
        for says, content in (
            ("a HEIF (HEIC) picture", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
            ("a JPEG XL picture", b"\xff\x0a" + bytes(30)),
            ("a damaged or unusual TIFF", b"II*\0\xff\xff\xff\xff"),
            ("a web page", b"<!DOCTYPE html><html></html>"),
            ("Run git lfs pull", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
            ("have no known range", b"Pf\n2 1\n-1.0\n" + struct.pack("<2f", 0.5, 1)),
        )
    ),
    Case(
        "fractions for levels",
        (FIT_D,),
        with_one("odd.tif", Image.fromarray(np.ones((9, 9), np.float32))),
        statuses=(2,),
        says="have no known range",
    ),
]
