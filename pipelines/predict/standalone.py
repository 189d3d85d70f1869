"""Classify image files by an exported model: python MODEL-predict.py photo.jpg more.png [--top 5]

`pipeline export` writes this file beside MODEL.onnx. It needs onnxruntime, numpy and Pillow; classes and preprocessing
are in the model's metadata.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FILTERS = {one.name.lower(): one for one in Image.Resampling}
SUFFIX = "-predict.py"


def prepared(image: Image.Image, facts: dict[str, Any]) -> np.ndarray:
    """uint8 [3, height, width]: an image as the model takes it, upright, on white, resized and cut."""
    levels, (height, width) = in_color(image), facts["input_size"]
    if facts["resize"] is not None:
        levels = resized(levels, facts["resize"])
    elif levels.size != (width, height):
        raise ValueError(
            f"it must be {width} x {height} pixels, as in training; it is {levels.width} x {levels.height}"
        )
    return np.asarray(levels).transpose(2, 0, 1)


def in_color(image: Image.Image) -> Image.Image:
    """The image upright in RGB; what is transparent becomes white, and 16 bits become 8."""
    opened, image = image, ImageOps.exif_transpose(image)
    if image.mode[0] in "FI":
        image = _in_eight_bits(np.asarray(image), opened)
    if not image.has_transparency_data:
        return image.convert("RGB")
    image, ground = image.convert("RGBA"), Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _in_eight_bits(levels: np.ndarray, opened: Image.Image) -> Image.Image:
    """Gray levels of up to 16 bits; ValueError for those of an `opened` file that have no known range."""
    tags = getattr(opened, "tag_v2", {})  # of a TIFF: 258 are the bits, and 262 is 0 where the least level is white
    top = 2 ** tags.get(258, (16,))[0] - 1
    known = opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format in ("PNG", "PPM"))
    if not known or levels.max() > top:
        raise ValueError(f"its levels, of mode {opened.mode}, have no known range; save it with 8 or 16 bits")
    scaled = (levels.astype(np.uint32) * 255 + top // 2) // top
    scaled = 255 - scaled if tags.get(262) == 0 else scaled
    return Image.fromarray(np.where(levels == opened.info.get("transparency", -1), 255, scaled).astype(np.uint8))


def resized(image: Image.Image, how: dict[str, Any]) -> Image.Image:
    """The image resized and cut as timm does it; crop mode "border" pads with the color "fill"."""
    size, crop_mode = how["image_size"], how["crop_mode"]
    rows, columns = (math.floor(side / how["crop_fraction"]) for side in size)
    ratios = image.height / rows, image.width / columns
    if crop_mode == "border":
        rows, columns = round(image.height / max(ratios)), round(image.width / max(ratios))
    elif crop_mode == "center" and rows != columns:
        rows, columns = round(image.height / min(ratios)), round(image.width / min(ratios))
    elif crop_mode == "center":
        short, (height, width) = rows, (image.height, image.width)
        rows, columns = max(short, int(short * height / width)), max(short, int(short * width / height))
    if min(rows, columns) < 1:  # a thin strip: first as near as whole pixels come
        thin = image.resize((max(columns, 1), max(rows, 1)), Image.Resampling.BOX)
        return resized(thin, how)
    image = image.resize((columns, rows), FILTERS[how["interpolation"]])
    cut = Image.new("RGB", (size[1], size[0]), tuple(how["fill"]))
    cut.paste(image, (_offset(size[1], columns), _offset(size[0], rows)))
    return cut


def _offset(kept: int, length: int) -> int:
    """Where an axis of `length` pixels begins in the middle `kept`."""
    return (kept - length) // 2 if kept > length else -round((length - kept) / 2.0)


def main(words: Sequence[str] | None = None) -> int:
    """Print the likeliest classes of every image; the exit status is 2 where one could not be read."""
    import onnxruntime

    here = Path(__file__)
    parser = argparse.ArgumentParser(description="Classify image files by an exported model.")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, default=here.with_name(here.name.removesuffix(SUFFIX) + ".onnx"))
    parser.add_argument("--top", type=int, default=3, help="classes to print")
    given = parser.parse_args(words)
    Image.MAX_IMAGE_PIXELS = 150_000_000  # Pillow refuses twice as many, as `pipeline predict` does
    session = onnxruntime.InferenceSession(given.model, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    classes, how, status = json.loads(facts["classes"]), json.loads(facts["preprocessing"]), 0
    for path in given.images:
        try:
            with path.open("rb") as file, Image.open(file) as image:  # by its path, a TIFF may come as it lies
                levels = prepared(image, how)
        except Exception as error:  # noqa: BLE001 (Pillow's plugins raise whatever their libraries do)
            why = "it is no image that Pillow can read" if isinstance(error, UnidentifiedImageError) else error
            sys.stderr.write(f"error: {path} cannot be classified: {why}\n")
            status = 2
            continue
        (shares,) = np.asarray(session.run(None, {"images": levels[None]})[0])
        best = np.argsort(-shares, kind="stable")[: given.top]
        sys.stdout.write(f"{path}: {', '.join(f'{classes[one]} {100 * shares[one]:.1f} %' for one in best)}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
