"""Images x backbone -> blocks of features, in order, on whatever device there is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from extract.errors import InvalidInputError
from extract.features.layout import block_ranges
from extract.features.sources import ImageSource
from extract.runtime.memory import is_out_of_memory

Notice = Callable[[str], None]


@dataclass(frozen=True)
class FeatureBlock:
    """Features of the rows `start` to `stop` of a split: `features` float32 [V, stop - start, D] on the CPU."""

    start: int
    stop: int
    features: Tensor


class Embedder:
    """Runs one encoder over splits. `batch_size` is the number of images a step, halved when memory runs out.

    `model` takes uint8 [B, 3, h, w] on `device` and gives float32 [V, B, D].
    """

    def __init__(self, model: Callable[[Tensor], Tensor], *, device: str, batch_size: int, notice: Notice) -> None:
        self._model = model
        self._device = device
        self._notice = notice
        self.batch_size = batch_size

    def blocks(
        self, source: ImageSource, ranges: list[tuple[int, int]], *, stepped: Callable[[int], None] = lambda rows: None
    ) -> Iterator[FeatureBlock]:
        """The features of each range, in order; the copy back overlaps the next block's computation.

        `stepped` hears of the rows of every step.
        """
        steps = [
            [(start + a, start + b) for a, b in block_ranges(stop - start, self.batch_size)] for start, stop in ranges
        ]
        batches = source.batches([step for block in steps for step in block])
        waiting: tuple[FeatureBlock, torch.cuda.Event | None] | None = None
        for (start, stop), block in zip(ranges, steps, strict=True):
            parts = []
            for first, last in block:
                parts.append(self._embedded(next(batches)))
                stepped(last - first)
            copied = self._copy_back(FeatureBlock(start, stop, torch.cat(parts, dim=1)))
            if waiting is not None:
                yield _arrived(*waiting)
            waiting = copied
        if waiting is not None:
            yield _arrived(*waiting)

    def _embedded(self, images: Tensor) -> Tensor:
        """uint8 [n, 3, h, w] -> [V, n, D] on the device, in padded batches; halves the batch until it fits."""
        while True:
            try:
                return torch.cat([self._batch(part) for part in images.split(self.batch_size)], dim=1)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or self.batch_size == 1:
                    raise
            if self._device.startswith("cuda"):
                torch.cuda.empty_cache()
            self.batch_size //= 2
            self._notice(f"out of memory: the batch is halved to {self.batch_size} images")

    @torch.no_grad()
    def _batch(self, images: Tensor) -> Tensor:
        missing = self.batch_size - len(images)
        if missing:
            images = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)])
        moved = images.to(self._device, non_blocking=True)
        return self._model(moved)[:, : self.batch_size - missing]

    def _copy_back(self, block: FeatureBlock) -> tuple[FeatureBlock, "torch.cuda.Event | None"]:
        if not self._device.startswith("cuda"):
            return block, None
        pinned = torch.empty(block.features.shape, dtype=block.features.dtype, pin_memory=True)
        pinned.copy_(block.features, non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(self._device))
        return FeatureBlock(block.start, block.stop, pinned), done


def stored(features: Tensor, *, storage: str, ids: tuple[str, ...]) -> Tensor:
    """`features` [V, n, D] in the storage dtype, checked: a NaN or an overflow is an error, never a stored value."""
    dtype = {"float16": torch.float16, "float32": torch.float32}[storage]
    converted = features.to(dtype)
    bad = (~converted.isfinite()).any(2).any(0)
    if not bad.any():
        return converted
    row = int(bad.nonzero()[0])
    if features[:, row].isfinite().all():
        raise InvalidInputError(
            f"features must fit {storage} (at most 65504); got "
            f"{float(features[:, row].abs().max()):.4g} for {ids[row]}. "
            "Use --storage float32."
        )
    raise InvalidInputError(
        f"features must be finite; got NaN or infinity for {ids[row]}. Use --precision float32, or check the weights."
    )


def _arrived(block: FeatureBlock, done: "torch.cuda.Event | None") -> FeatureBlock:
    if done is not None:
        done.synchronize()
    return block
