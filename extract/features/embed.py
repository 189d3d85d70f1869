"""Raw images -> blocks of features: batches of a split, one module from levels to embeddings, and what runs it.

The batch always has the same shape (the last one is padded), so that a row's embedding does not depend on where a run
was cut, and the module is compiled once.
"""

import copy
import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from extract.backbones import cropping
from extract.backbones.frozen import Backbone
from extract.backbones.reduced import in_reduced_precision
from extract.backbones.transforms import Normalize, Preprocessing, Resize, resizes_by_matrix
from extract.data.images import Files, Pixels
from extract.decoding.decode import Target, decode
from extract.errors import InvalidInputError, TransferBenchError
from extract.features.layout import block_ranges
from extract.runtime.devices import channels_last, split_graph, torch_dtype
from extract.runtime.machine import thread_count
from extract.runtime.memory import is_out_of_memory

Notice = Callable[[str], None]
Ranges = Sequence[tuple[int, int]]  # (start, stop) of rows

VIEWS = {"plain": ("plain",), "flip": ("plain", "mirrored")}
AHEAD_BATCHES = 2  # decoded before they are needed; more would only cost memory


@dataclass(frozen=True)
class ImageSource:
    """The images of a split: `batches(ranges)` gives those of each range of rows in order, uint8 [n, 3, h, w].

    `resize` makes them levels at the network's size on the device; None where they come so already.
    """

    batches: Callable[[Ranges], Iterator[Tensor]]
    resize: nn.Module | None


def source(images: Pixels | Files, preprocessing: Preprocessing) -> ImageSource:
    """Batch source for these images: in memory and resized by the device, or through Pillow and timm's transform.

    Pillow and zlib release the interpreter's lock while they decode and resize, so threads do in one process what
    worker processes do elsewhere, without copies of the program or of the images. Batches of files raise
    `UnreadableImage` with the file's path.
    """
    if isinstance(images, Pixels):
        height, width = images.array.shape[2:]
        if resizes_by_matrix(preprocessing, height=height, width=width):
            held = torch.from_numpy(images.array)
            resize = Resize(preprocessing, height=height, width=width)
            return ImageSource(lambda ranges: (held[start:stop] for start, stop in ranges), resize)
    transform, target = cropping.transform(preprocessing), cropping.target(preprocessing)
    read = functools.partial(_transformed, images, transform=transform, target=target)
    return ImageSource(lambda ranges: decoded(read, ranges), None)


def decoded(read: Callable[[int], Tensor], ranges: Ranges) -> Iterator[Tensor]:
    """The images of each range, by `read`, opened and resized by Pillow in threads, a few batches ahead."""
    with ThreadPoolExecutor(thread_count()) as pool:
        pending: deque[list[Future[Tensor]]] = deque()
        try:
            for start, stop in ranges:
                pending.append([pool.submit(read, row) for row in range(start, stop)])
                if len(pending) > AHEAD_BATCHES:
                    yield torch.stack([future.result() for future in pending.popleft()])
            while pending:
                yield torch.stack([future.result() for future in pending.popleft()])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _transformed(
    images: Pixels | Files, row: int, *, transform: Callable[[Image.Image], Tensor], target: Target
) -> Tensor:
    if isinstance(images, Pixels):
        return transform(Image.fromarray(images.array[row].transpose(1, 2, 0)))
    path = images.path(row)
    image = decode(path, max_pixels=images.max_pixels, target=target)
    try:
        return transform(image)
    except (MemoryError, ValueError) as error:
        raise TransferBenchError(
            f"image must be resized to the network's input; got {str(path)!r} of {image.width} x {image.height} "
            f"pixels ({str(error) or 'no memory'}). Crop it, or remove it."
        ) from error


class Encoder(nn.Module):
    """uint8 [B, 3, h, w] -> float32 [1, B, D], by a copy of the backbone's network, which stays as it is.

    `resize` turns the raw images into levels 0..255 at the network's size; None when they come so already.
    """

    def __init__(self, backbone: Backbone, *, resize: nn.Module | None, precision: str) -> None:
        super().__init__()
        dtype = torch_dtype(precision)
        self.resize = resize or nn.Identity()
        network = copy.deepcopy(backbone.module)
        if dtype != torch.float32:
            network = in_reduced_precision(
                network,
                dtype,
                image_size=backbone.preprocessing.image_size,
                normalize=Normalize(backbone.preprocessing, torch.float32),
            )
        self.normalize = Normalize(backbone.preprocessing, next(network.parameters()).dtype)
        self.network = channels_last(network)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.inputs(images)).float()[None]

    def inputs(self, images: Tensor) -> Tensor:
        """Network input for uint8 images [B, 3, h, w]; compiled, a graph of its own."""
        inputs = self.normalize(self.resize(images))
        split_graph()
        return inputs


class MirroredEncoder(nn.Module):
    """The embeddings of mirrored images by the network of `encoder`: uint8 [B, 3, h, w] -> float32 [1, B, D]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder.network(self.encoder.inputs(images).flip(3)).float()[None]


@dataclass(frozen=True)
class FeatureBlock:
    """Features of the rows `start` to `stop` of a split: `features` float32 [V, stop - start, D] on the CPU.

    On their way from a GPU they are there once `arrived` has been synchronized.
    """

    start: int
    stop: int
    features: Tensor
    arrived: torch.cuda.Event | None = None


class Embedder:
    """Runs one encoder over splits. `batch_size` is the number of images a batch, halved when memory runs out.

    `model` takes uint8 [n, 3, h, w] on `device` and gives float32 [V, n, D]; n is the batch size, or up to `at_once`
    times as many. `in_flight` calls of it run at a time: one that has threads of its own goes on with the next images
    while the last of a call are computed.
    """

    def __init__(
        self,
        model: Callable[[Tensor], Tensor],
        *,
        device: str,
        batch_size: int,
        notice: Notice,
        at_once: int = 1,
        in_flight: int = 1,
    ) -> None:
        self._model, self._device, self._notice = model, device, notice
        self.batch_size, self._at_once, self._in_flight = batch_size, at_once, in_flight

    @property
    def step_rows(self) -> int:
        """Images a step: a batch, or as many batches as the model is given at once."""
        return self.batch_size * self._at_once

    def blocks(
        self, source: ImageSource, ranges: Ranges, *, stepped: Callable[[int], None] = lambda rows: None
    ) -> Iterator[FeatureBlock]:
        """The features of each range, in order; the copy back overlaps the next block's computation.

        `stepped` hears of the rows of every step.
        """
        steps = [
            [(start + a, start + b) for a, b in block_ranges(stop - start, self.step_rows)] for start, stop in ranges
        ]
        embedded = self._in_order(source.batches([step for block in steps for step in block]))
        waiting: FeatureBlock | None = None
        for (start, stop), block in zip(ranges, steps, strict=True):
            parts = []
            for first, last in block:
                parts.append(next(embedded))
                stepped(last - first)
            copied = self._copied_back(start, stop, torch.cat(parts, dim=1))
            if waiting is not None:
                yield _arrived(waiting)
            waiting = copied
        if waiting is not None:
            yield _arrived(waiting)

    def _in_order(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        if self._in_flight == 1:
            yield from map(self._embedded, batches)
            return
        begun: deque[Future[Tensor]] = deque()
        with ThreadPoolExecutor(self._in_flight) as pool:
            for images in batches:
                begun.append(pool.submit(self._embedded, images))
                if len(begun) == self._in_flight:
                    yield begun.popleft().result()
            yield from (one.result() for one in begun)

    def _embedded(self, images: Tensor) -> Tensor:
        """uint8 [n, 3, h, w] -> [V, n, D] on the device, in padded batches; halves the batch until it fits."""
        while True:
            try:
                return torch.cat([self._batch(part) for part in images.split(self.step_rows)], dim=1)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or self.batch_size == 1:
                    raise
            if self._device.startswith("cuda"):
                torch.cuda.empty_cache()
            self.batch_size //= 2
            self._notice(f"out of memory: the batch is halved to {self.batch_size} images")

    @torch.no_grad()
    def _batch(self, images: Tensor) -> Tensor:
        count = len(images)
        if missing := -count % self.batch_size:
            images = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)])
        return self._model(images.to(self._device, non_blocking=True))[:, :count]

    def _copied_back(self, start: int, stop: int, features: Tensor) -> FeatureBlock:
        if not self._device.startswith("cuda"):
            return FeatureBlock(start, stop, features)
        pinned = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
        pinned.copy_(features, non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(self._device))
        return FeatureBlock(start, stop, pinned, done)


def _arrived(block: FeatureBlock) -> FeatureBlock:
    if block.arrived is not None:
        block.arrived.synchronize()
    return block


def stored(features: Tensor, *, storage: str, ids: tuple[str, ...]) -> Tensor:
    """`features` [V, n, D] in the storage dtype, checked: a NaN or an overflow is an error, never a stored value."""
    converted = features.to(torch_dtype(storage))
    bad = (~converted.isfinite()).any(2).any(0)
    if not bad.any():
        return converted
    row = int(bad.nonzero()[0])
    if features[:, row].isfinite().all():
        raise InvalidInputError(
            f"features must fit {storage} (at most 65504); got "
            f"{float(features[:, row].abs().max()):.4g} for {ids[row]}. Use --storage float32."
        )
    raise InvalidInputError(
        f"features must be finite; got NaN or infinity for {ids[row]}. Use --precision float32, or check the weights."
    )
