"""An image file as RGB levels 0..255: upright, on white, fully decoded, or refused by name.

The only place that opens image files. What stands around the pixels (EXIF, texts, profiles) decides about the
orientation alone, never about whether a file is read (`extract.decoding.containers`).
"""

import contextlib
import errno
import importlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, TgaImagePlugin, TiffImagePlugin, UnidentifiedImageError

from extract.decoding import file_kinds
from extract.decoding.containers import stripped
from extract.decoding.tags import exif_orientation, xmp_orientation
from extract.errors import InvalidInputError, TransferBenchError

MAX_PIXELS = 300_000_000  # about 1.2 GB while an image is decoded
LARGE_PIXELS = 64_000_000  # from here on one image is decoded at a time, so that threads do not multiply its memory
# The formats that are read, in this order; TGA knows no signature and comes last. Pillow's plug-ins are imported here,
# by one thread, and no others: a file of PostScript would start a program.
_PLUGINS = ("Jpeg", "Png", "WebP", "Avif", "Gif", "Bmp", "Tiff", "Jpeg2K", "Ppm", "Qoi", "Dds", "Pcx", "Sgi", "Tga")
for _plugin in _PLUGINS:
    with contextlib.suppress(ImportError):  # Pillow knows AVIF from 11.3 on
        importlib.import_module(f"PIL.{_plugin}ImagePlugin")
_NAMES = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM", "QOI", "DDS", "PCX", "SGI")
FORMATS = tuple(name for name in (*_NAMES, "TGA") if name in Image.OPEN)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
BITS_TAG, PHOTOMETRIC_TAG = 258, 262
# What the system says where it has too much to do or a server does not answer; a damaged sector (EIO) stays damaged.
TEMPORARY = {getattr(errno, name, None) for name in ("EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ETIMEDOUT")} - {None}
# An image is decoded at so many times the size that it is resized to, at least; 3 cost gratings 0.002 of the cosine.
MARGIN = 4.0
SCALES = (8, 4, 2)  # at which Pillow has libjpeg decode: a block of 8 x 8 pixels becomes one of 8 / scale
# Formats that are not read: name, place and bytes of their marks.
OTHERS = (
    *(("a HEIF (HEIC) picture", 4, b"ftyp" + brand) for brand in (b"hei", b"hev", b"mif1", b"msf1")),
    *(("a JPEG XL picture", at, first) for at, first in ((0, b"\xff\x0a"), (4, b"JXL "))),
    *(("a damaged or unusual TIFF picture", 0, first) for first in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("an SVG drawing", 0, b"<svg"),
)
_LARGE = threading.Lock()
_LIMIT = threading.Lock()
_OPEN = {"count": 0, "limit": Image.MAX_IMAGE_PIXELS}


class UnreadableImage(InvalidInputError):
    """An image file that cannot be decoded; `path` names it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"image must be readable; got {str(path)!r}, which is not ({reason}). "
            "Repair or delete it, or skip such files with --on-bad-image skip."
        )
        self.path, self.reason = path, reason


class OversizedImage(UnreadableImage):
    """An image of more pixels than the limit allows; `path` names it."""

    def __init__(self, path: Path, size: tuple[int, int], *, max_pixels: int) -> None:
        width, height = size
        InvalidInputError.__init__(
            self,
            f"image must have at most {max_pixels} pixels; got {str(path)!r}, which has {width} x {height}. "
            f"Give --max-pixels {width * height}, or skip such files with --on-bad-image skip.",
        )
        self.path, self.reason = path, f"it has {width} x {height} pixels"


@dataclass(frozen=True)
class Traits:
    """Traits in the header of an image file: pixels upright, whether some may be transparent, how many frames."""

    width: int
    height: int
    transparent: bool
    frames: int


@dataclass(frozen=True)
class Target:
    """What an image is resized to: `size` makes (rows, columns) of (height, width), and the `filter` that resizes.

    `kept` is how many (rows, columns) in its middle are used then; None where all are.
    """

    size: Callable[[int, int], tuple[int, int]]
    filter: Image.Resampling
    kept: tuple[int, int] | None = None


SMALLEST = Target(lambda height, width: (1, 1), Image.Resampling.BOX)  # of an image that is only to be readable


def decode(path: Path, *, max_pixels: int | None = MAX_PIXELS, target: Target | None = None) -> Image.Image:
    """The image as RGB, upright, transparency laid over white, of several frames the first. Raises `UnreadableImage`.

    Levels of up to 16 bits are scaled to 8. Levels of 32 bits and fractions have no known range and are refused.
    Raises `OversizedImage` above `max_pixels` (None: no limit).

    A JPEG that is far larger than its `target` is decoded at a half, a quarter or an eighth of its size, which stays
    at least `MARGIN` times the target's, and comes resized to the target, black where it is not used. Any other image
    comes as large as it is.
    """
    with _opened(path) as (image, orientation, _):
        if max_pixels is not None and image.width * image.height > max_pixels:
            raise OversizedImage(path, image.size, max_pixels=max_pixels)
        with _LARGE if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext():
            levels = _levels(image) if target is None else _reduced(image, target, turned=orientation >= 5)
            return levels.transpose(TURNS[orientation]) if orientation in TURNS else levels


def upright(image: Image.Image) -> Image.Image:
    """A picture in memory as `decode` would give it: RGB, upright, on white. Raises ValueError for unknown ranges."""
    levels, orientation = _levels(image), _orientation(image)
    return levels.transpose(TURNS[orientation]) if orientation in TURNS else levels


def _levels(image: Image.Image) -> Image.Image:
    transparent = _is_transparent(image)
    levels = _in_eight_bits(image).convert("RGBA" if transparent else "RGB")
    if transparent:
        ground = Image.new("RGB", levels.size, "white")
        ground.paste(levels, mask=levels.getchannel("A"))
        levels = ground
    return levels


def _reduced(image: Image.Image, target: Target, *, turned: bool) -> Image.Image:
    """The levels resized to the target where that is so small that a JPEG need not be decoded whole; else all levels.

    The scale depends on format, size and target only.
    """
    width, height = image.size
    rows, columns = target.size(width, height)[::-1] if turned else target.size(height, width)
    room = min(height / max(rows, 1), width / max(columns, 1)) / MARGIN
    scale = next((one for one in SCALES if one <= room), 1)
    if scale == 1 or image.format != "JPEG" or target.filter == Image.Resampling.NEAREST:
        return _levels(image)
    image.draft(None, (width // scale, height // scale))
    kept = (rows, columns) if target.kept is None else target.kept[::-1] if turned else target.kept
    top, bottom = _middle(rows, kept[0])
    left, right = _middle(columns, kept[1])
    # The last pixels may lie half outside of the picture, whose sides are multiples of these steps.
    down, across = height / scale / rows, width / scale / columns
    box = (left * across, top * down, right * across, bottom * down)
    middle = _levels(image).resize((right - left, bottom - top), target.filter, box=box)
    resized = Image.new("RGB", (columns, rows))
    resized.paste(middle, (left, top))
    return resized


def _middle(length: int, kept: int) -> tuple[int, int]:
    """From where to where the middle `kept` of an axis are, and one beside, for their start may be rounded."""
    return max((length - kept) // 2 - 1, 0), min((length + kept + 1) // 2 + 1, length)


def traits(path: Path) -> Traits:
    """Traits in the header of an image file; no pixel is decoded. Raises `UnreadableImage`."""
    with _opened(path) as (image, orientation, frames):
        width, height = image.size if orientation < 5 else image.size[::-1]
        return Traits(width, height, _is_transparent(image), frames or getattr(image, "n_frames", 1))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, int, int | None]]:
    """(the image, its orientation from 1 to 8, its number of frames or None), read by a file handle of our own.

    Given a path, Pillow would map some files into memory, with sides that an orientation has exchanged.
    """
    try:
        with path.open("rb") as file, _without_pillows_limit():
            found = stripped(file)
            with Image.open(found.stream, formats=FORMATS) as image:
                yield image, found.orientation or _orientation(image), found.frames
    except UnreadableImage:
        raise
    except MemoryError as error:
        raise TransferBenchError(
            f"image must fit into memory; got {str(path)!r}. Make it smaller, or skip such files with a smaller "
            "--max-pixels and --on-bad-image skip."
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, _unidentified(path)) from error
    except OSError as error:
        if error.errno in TEMPORARY:  # it says nothing of the image, which must not be left out for it
            raise TransferBenchError(
                f"image must be readable; got {str(path)!r}, which the system could not read now "
                f"({error.strerror}). Run the same command again."
            ) from error
        raise UnreadableImage(path, error.strerror or str(error)) from error
    except Exception as error:  # Pillow's plugins raise whatever their libraries do: RuntimeError, struct.error, ...
        raise UnreadableImage(path, str(error) or "its content is damaged") from error


def _unidentified(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "it is empty"
    other = next((name for name, at, first in OTHERS if start.startswith(first, at)), None)
    if other is not None:
        return f"it is {other}, which is not read: save it as JPEG or PNG"
    what, remedy = file_kinds.kind(path)
    if what in (file_kinds.WEB_PAGE, file_kinds.LFS_POINTER):
        return f"it is {what}. {remedy}"
    return "it holds no picture of " + ", ".join(FORMATS)


@contextlib.contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Pillow's own limit is off while files are open here, in any thread, and as it was afterwards."""
    with _LIMIT:
        if _OPEN["count"] == 0:
            _OPEN["limit"], Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _OPEN["count"] += 1
    try:
        yield
    finally:
        with _LIMIT:
            _OPEN["count"] -= 1
            if _OPEN["count"] == 0:
                Image.MAX_IMAGE_PIXELS = _OPEN["limit"]


def _orientation(image: Image.Image) -> int:
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    found = exif_orientation(exif) if isinstance(exif, bytes) else None
    return found or (xmp_orientation(xmp) if isinstance(xmp, bytes) else None) or 1


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """`image`, its levels scaled where `convert` would cut them off at 255; a transparent level becomes white."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    levels = np.asarray(image)
    scaled_by_pillow = image.mode == "I" and image.format in ("PNG", "PPM")  # to 16 bits
    known = image.mode.startswith("I;16") or scaled_by_pillow
    bits, inverted = _declared(image)
    top = 2**bits - 1
    if not known or levels.min() < 0 or levels.max() > top:
        raise ValueError(f"its levels, of mode {image.mode}, have no known range; save it with 8 or 16 bits")
    scaled = (levels.astype(np.uint32) * 255 + top // 2) // top
    scaled = 255 - scaled if inverted else scaled
    if "transparency" in image.info:
        scaled[levels == image.info["transparency"]] = 255
    return Image.fromarray(scaled.astype(np.uint8))


def _declared(image: Image.Image) -> tuple[int, bool]:
    """(bits of a level, whether the least one is white), as a TIFF declares them; (16, no) elsewhere."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 16, False
    return image.tag_v2.get(BITS_TAG, (16,))[0], image.tag_v2.get(PHOTOMETRIC_TAG) == 0


def _is_transparent(image: Image.Image) -> bool:
    """Whether pixels may be transparent. A TGA file of 32 bits may declare that its fourth byte means nothing."""
    if image.format == "TGA" and isinstance(image, TgaImagePlugin.TgaImageFile) and image.fp is not None:
        image.fp.seek(17)
        return image.has_transparency_data and bool(image.fp.read(1)[0] & 15)
    return image.has_transparency_data
