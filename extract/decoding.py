"""An image file as RGB levels 0..255: upright, fully decoded, or refused by name."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from extract.errors import InvalidInput

DEEP = 65535  # the largest level of 16 bits


class UnreadableImage(InvalidInput):
    """An image file that cannot be decoded; `path` names it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"image must be readable; got {str(path)!r}, which is not ({reason}). "
            "Mend or remove it, or leave such files out with --on-bad-image skip."
        )
        self.path, self.reason = path, reason


def decode(path: Path) -> Image.Image:
    """The image as RGB, upright (EXIF orientation applied), fully decoded. Raises `UnreadableImage`.

    Levels of 16 bits are scaled to 8. Levels of 32 bits and fractions have no known range and are refused.
    """
    try:
        with Image.open(path) as image:
            return _in_eight_bits(ImageOps.exif_transpose(image), image.format).convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever their libraries do: RuntimeError, struct.error, ...
        raise UnreadableImage(path, str(error) or type(error).__name__) from error


def _in_eight_bits(image: Image.Image, file_format: str | None) -> Image.Image:
    """`image`, its levels scaled where `convert` would cut them off at 255."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    levels = np.asarray(image)
    known = image.mode.startswith("I;16") or file_format in ("PNG", "PPM")  # Pillow scales these to 16 bits
    if not known or levels.min() < 0 or levels.max() > DEEP:
        raise ValueError(f"its levels, of mode {image.mode}, have no known range; save it with 8 or 16 bits")
    return Image.fromarray(((levels.astype(np.uint32) * 255 + DEEP // 2) // DEEP).astype(np.uint8))
