"""Thumbnails: every image of a split as 32 x 32 pixels, by which near-duplicates are searched for and compared."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from extract.data.images import Files, Pixels
from extract.decoding.decode import Target, decode
from extract.errors import TransferBenchError
from extract.runtime.machine import thread_count

SIDE = 32
TARGET = Target(lambda height, width: (SIDE, SIDE), Image.Resampling.BOX)


def thumbnails(images: Pixels | Files, *, stepped: Callable[[int], None] = lambda count: None) -> np.ndarray:
    """uint8 [N, 3, 32, 32], stretched to a square; black where a file cannot be read."""
    if isinstance(images, Pixels) and images.array.shape[2:] == (SIDE, SIDE):
        return images.array

    def made(row: int) -> np.ndarray:
        image = _image(images, row)
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)).transpose(2, 0, 1)

    found = np.zeros((len(images), 3, SIDE, SIDE), np.uint8)
    with ThreadPoolExecutor(thread_count()) as pool:
        for row, one in enumerate(pool.map(made, range(len(images)))):
            found[row] = one
            stepped(1)
    return found


def _image(images: Pixels | Files, row: int) -> Image.Image:
    if isinstance(images, Pixels):
        return Image.fromarray(np.ascontiguousarray(images.array[row].transpose(1, 2, 0)))
    try:
        return decode(images.path(row), max_pixels=images.max_pixels, target=TARGET)
    except TransferBenchError:
        return Image.new("RGB", (SIDE, SIDE))
