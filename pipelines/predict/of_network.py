"""The classifier of a run of a whole network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from extract.backbones.transforms import Preprocessing, Resize, resizes_by_matrix
from extract.data.images import Files, Pixels
from extract.decoding.decode import MAX_PIXELS
from extract.errors import InvalidInputError
from extract.features.embed import source
from extract.features.layout import block_ranges
from finetune.augmentation.batches import NormalizePixels
from pipelines.predict import pictures
from pipelines.predict.classify import Graph
from pipelines.training import inference, network_io
from pipelines.workspace import records
from pipelines.workspace.context import Context
from pipelines.workspace.record import DoneRecord


def load(record: DoneRecord, *, context: Context, weights: Path | None, quick: bool) -> "WholeClassifier":
    """The classifier of a network's `record`; `CorruptFileError` where its files are not whole."""
    if weights is not None:
        raise InvalidInputError(
            f"weights must be left out for a trained network, which has its own; got {str(weights)!r}."
        )
    return WholeClassifier(record, records.folder(context.workspace, record.run), context=context, quick=quick)


class WholeClassifier:
    """Reads images as the run's data were read, and asks the kept network. `quick` does not fill batches."""

    def __init__(self, record: DoneRecord, folder: Path, *, context: Context, quick: bool) -> None:
        self._sidecar, self._network = network_io.sidecar(folder), network_io.network(folder)
        self._dataset = record.dataset
        self._native = pictures.native_size(self._dataset)
        self._recipe_options = record.key.get("recipe_options", {})
        self._context, self._quick = context, quick
        self.class_names = self._sidecar.class_names
        self.temperature: float | None = record.temperature

    def logits(self, paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """float32 [N, K] for image files."""
        result = np.empty((len(paths), len(self.class_names)), np.float32)
        stepped = self._context.counter(len(paths), "images")
        for group in pictures.groups(Files(tuple(paths), max_pixels), native=self._native):
            result[group.rows] = self._answers(group.images, self._sidecar.preprocessing, stepped=stepped)
        return result

    def _answers(
        self, images: Pixels | Files, wanted: Preprocessing, *, stepped: Callable[[int], None] = lambda _: None
    ) -> np.ndarray:
        read, device = source(images, wanted), self._context.device
        rows = inference.batch_size(self._network, wanted, device=device, recipe_options=self._recipe_options)
        return inference.logits(
            self._network,
            read.batches(block_ranges(len(images), rows)),
            rows=rows,
            preprocessing=wanted,
            device=device,
            resize=read.resize,
            fill=not self._quick,
            stepped=stepped,
        )

    def graph(self) -> Graph:
        """From pixels (of the data set's native size, or else already of the network's) to logits, in float32."""
        wanted = self._sidecar.preprocessing
        height, width = self._native or wanted.image_size
        resize: nn.Module = nn.Identity()
        if (height, width) != wanted.image_size:
            if not resizes_by_matrix(wanted, height=height, width=width):
                raise InvalidInputError(
                    f"preprocessing must be one that a graph can hold; got crop mode {wanted.crop_mode!r} at "
                    f"{wanted.image_size}, which pads or is not square. Train at another --image-size."
                )
            resize = Resize(wanted, height=height, width=width)
        examples = pictures.examples(self._dataset, height=height, width=width)
        seen = wanted if self._native else replace(wanted, crop_fraction=1.0, crop_mode="center")  # cut already
        predicted = self._answers(Pixels(examples), seen)
        way = _Way(resize, NormalizePixels((wanted.mean, wanted.std)), self._network.float().cpu())
        return Graph(way.eval(), height, width, examples, predicted)


class _Way(nn.Module):
    """uint8 images -> logits."""

    def __init__(self, resize: nn.Module, normalize: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.resize, self.normalize, self.network = resize, normalize, network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.normalize(self.resize(images)))
