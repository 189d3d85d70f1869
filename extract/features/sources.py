"""Raw images of a split, batch by batch, as equal-sized uint8 tensors: from memory, or decoded by threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from extract.backbones import cropping
from extract.backbones.transforms import Preprocessing, Resize, resizes_by_matrix
from extract.data.images import Files, Pixels
from extract.decoding.decode import decode
from extract.errors import TransferBenchError
from extract.runtime.machine import thread_count

AHEAD_BATCHES = 2  # decoded before they are needed; more would only cost memory


class ImageSource(Protocol):
    """Gives the batches of rows `ranges` in order, each uint8 [stop - start, 3, h, w]."""

    resize: nn.Module | None

    def batches(self, ranges: list[tuple[int, int]]) -> Iterator[Tensor]: ...


def source(images: Pixels | Files, preprocessing: Preprocessing) -> "ImageSource":
    """How to read these images: in memory and resized by the device, or through Pillow and timm's transform.

    Pillow and zlib release the interpreter's lock while they decode and resize, so threads do in one
    process what worker processes do elsewhere, without copies of the program or of the images.
    """
    if isinstance(images, Pixels):
        height, width = images.array.shape[2:]
        if resizes_by_matrix(preprocessing, height=height, width=width):
            return PixelSource(images.array, Resize(preprocessing, height=height, width=width))
    return DecodedSource(images, preprocessing)


class PixelSource:
    """Images in memory, handed out as they are; `resize` works on the device."""

    def __init__(self, array: np.ndarray, resize: Resize) -> None:
        self._array = torch.from_numpy(array)
        self.resize: nn.Module | None = resize

    def batches(self, ranges: list[tuple[int, int]]) -> Iterator[Tensor]:
        """The rows of each range, without a copy."""
        for start, stop in ranges:
            yield self._array[start:stop]


class DecodedSource:
    """Images opened and resized by Pillow in threads, a few batches ahead."""

    def __init__(self, images: Pixels | Files, preprocessing: Preprocessing) -> None:
        self._images = images
        self._transform = cropping.transform(preprocessing)
        self.resize: nn.Module | None = None

    def batches(self, ranges: list[tuple[int, int]]) -> Iterator[Tensor]:
        """The rows of each range, decoded. Raises `UnreadableImage` with the file's path."""
        with ThreadPoolExecutor(thread_count()) as pool:
            pending: deque[list[Future[Tensor]]] = deque()
            try:
                for start, stop in ranges:
                    pending.append([pool.submit(self._one, row) for row in range(start, stop)])
                    if len(pending) > AHEAD_BATCHES:
                        yield torch.stack([future.result() for future in pending.popleft()])
                while pending:
                    yield torch.stack([future.result() for future in pending.popleft()])
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, row: int) -> Tensor:
        if isinstance(self._images, Pixels):
            return self._transform(Image.fromarray(self._images.array[row].transpose(1, 2, 0)))
        path = self._images.paths[row]
        image = decode(path, max_pixels=self._images.max_pixels)
        try:
            return self._transform(image)
        except (MemoryError, ValueError) as error:
            raise TransferBenchError(
                f"image must be resized to the network's input; got {str(path)!r} of {image.width} x {image.height} "
                f"pixels ({str(error) or 'no memory'}). Crop it, or remove it."
            ) from error
