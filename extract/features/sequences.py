"""Pictures in memory, as a notebook has them, to embeddings: what a feature file holds of the same images."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from extract.backbones import cropping
from extract.backbones.frozen import Backbone
from extract.data.containers.arrays import levels
from extract.data.images import Files, Pixels
from extract.decoding import decode
from extract.errors import InvalidInputError
from extract.features import engines
from extract.features.embed import Encoder, ImageSource, decoded, source
from extract.features.layout import block_ranges
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import automatic_batch_size, resolve_device, resolve_precision

Picture = str | Path | Image.Image | np.ndarray | Tensor


def embed(
    images: Sequence[Picture] | np.ndarray | Tensor,
    backbone: Backbone,
    *,
    precision: str = "auto",
    inference: str = "auto",
    device: str = "auto",
    batch_size: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """float32 [N, D]: the embeddings of pictures by a frozen `backbone` (`extract.load_backbone`).

    `images` are uint8 levels [N, H, W], [N, H, W, 3] or [N, 3, H, W], or any sequence of paths, PIL images and levels
    of one image, of any sizes and modes, which may open each as it is asked for. Levels are arrays or tensors. A PIL
    image is read as its file would be, upright and on white, but never decoded at a part of its size. `precision` and
    `inference` are those of `pipeline extract`; by the same engine the values are those of its feature file, before
    they are stored. `progress(done, total)` counts images. Raises `InvalidInputError` for what is no picture, with its
    place, and for a size or layers that the network does not take.
    """
    images = _sequence(images)
    where = resolve_device(device)
    precision, size = resolve_precision(precision, where), backbone.preprocessing.image_size
    if batch_size is not None and not (isinstance(batch_size, int | np.integer) and batch_size >= 1):
        raise InvalidInputError(f"batch size must be a whole number from 1, or None; got {batch_size!r}.")
    _ = backbone.dimension  # a size or layers that the network does not take are refused here, in a sentence
    read = _source(images, backbone)
    rows = int(batch_size or automatic_batch_size(where, size[0]))
    engine, _ = engines.choose_engine(
        inference,
        network=backbone.module,
        precision=precision,
        image_count=len(images),
        image_size=size,
        device=where,
    )
    parts = []
    with memory_kept():
        encoder = Encoder(backbone, resize=read.resize, precision=precision)
        embedder = engines.embedder(encoder, engine=engine, device=where, batch_size=rows, notice=lambda sentence: None)
        for block in embedder.blocks(read, block_ranges(len(images), 8 * rows)):
            parts.append(block.features[0])
            progress(block.stop, len(images))
    return torch.cat(parts).numpy()


def _sequence(images: Sequence[Picture] | np.ndarray | Tensor) -> Sequence[Picture] | np.ndarray:
    """`images` by their places from 0, by which a pandas column is not asked; paths in an array are a list."""
    if isinstance(images, str | Path) or not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
        raise InvalidInputError(
            f"images must be a sequence of paths, PIL images or arrays; got {images!r}. Pass a list."
        )
    if not isinstance(images, np.ndarray | Tensor) and not hasattr(images, "to_numpy"):
        return images
    array = np.asarray(images)
    return array.tolist() if array.dtype.kind in "OTU" else array


def _source(images: Sequence[Picture] | np.ndarray, backbone: Backbone) -> ImageSource:
    if len(images) == 0:
        raise InvalidInputError("images must be at least one; got none. Pass some.")
    if isinstance(images, np.ndarray):
        return source(Pixels(levels(images)), backbone.preprocessing)
    if isinstance(images, list) and all(isinstance(one, str | Path) for one in images):
        return source(Files.at([Path(str(one)) for one in images]), backbone.preprocessing)
    transform = cropping.transform(backbone.preprocessing)
    read = functools.partial(_transformed, images, transform=transform)
    return ImageSource(lambda ranges: decoded(read, ranges), None)


def _transformed(images: Sequence[Picture], row: int, *, transform: Callable[[Image.Image], Tensor]) -> Tensor:
    one = images[row]
    one = decode.decode(Path(one)) if isinstance(one, str | Path) else one
    if isinstance(one, np.ndarray | Tensor):
        one = Image.fromarray(levels(np.asarray(one)[None], what=f"image {row}")[0].transpose(1, 2, 0))
    if not isinstance(one, Image.Image):
        raise InvalidInputError(
            f"images must be PIL images or arrays of levels; got a {type(one).__name__} at place {row}. "
            "Open files with PIL.Image.open."
        )
    return transform(readable(one, row))


def readable(image: Image.Image, row: int) -> Image.Image:
    """The picture at place `row` as RGB, upright and on white; `InvalidInputError` where it cannot be read so."""
    try:
        return decode.upright(image)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"images must be readable; got one at place {row} that is not ({error}).") from error
