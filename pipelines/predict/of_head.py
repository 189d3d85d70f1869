"""The classifier of a run of a head: the frozen backbone of its features, and the head."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import heads
from extract.backbones import frozen
from extract.backbones.transforms import Preprocessing, Resize, resizes_by_matrix
from extract.backbones.weights import is_file
from extract.data.images import Files, Pixels
from extract.decoding.decode import MAX_PIXELS
from extract.errors import CorruptFileError, InvalidInputError
from extract.features import embed
from extract.features.embed import Embedder, source, stored
from extract.features.layout import block_ranges
from extract.runtime.allocator import memory_kept
from pipelines.predict import pictures
from pipelines.predict.classify import Graph
from pipelines.tasks import features
from pipelines.workspace import extractions, records
from pipelines.workspace.context import Context
from pipelines.workspace.record import DoneRecord


def load(record: DoneRecord, *, context: Context, weights: Path | None, quick: bool) -> "FrozenClassifier":
    """The classifier of a head's `record`. Raises where its weights cannot be found, or are not those recorded."""
    head, recipe = heads.load(records.folder(context.workspace, record.run))
    if recipe["content"] != record.source.content:
        raise CorruptFileError(f"head must be that of its record; got another in run {record.run}. Run it again.")
    if hasattr(head, "device"):
        head.set_params(device=context.device)
    return FrozenClassifier(record, head, context=context, weights=weights, quick=quick)


class FrozenClassifier:
    """Embeds as the run's features were embedded (same batch, precision, engine, storage), then applies the head.

    `quick` leaves out what costs time for few images: compiling, and filling the batch. Equal within rounding then.
    """

    def __init__(
        self, record: DoneRecord, head: heads.Head, *, context: Context, weights: Path | None, quick: bool
    ) -> None:
        self._record, self._context = record, context
        self._spec: dict[str, Any] = record.source.spec
        self._weights = _weights(record, context=context, given=weights)
        self._engine = "eager" if quick else record.source.engine
        self._quick = quick
        self._native = pictures.native_size(record.dataset)
        self.head = head
        self.class_names = tuple(record.class_names[int(label)] for label in head.classes_)
        self.temperature: float | None = record.temperature

    def logits(self, paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """float32 [N, K] for image files."""
        result = np.empty((len(paths), len(self.class_names)), np.float32)
        for group in pictures.groups(Files(tuple(paths), max_pixels), native=self._native):
            names = tuple(str(paths[row]) for row in group.rows)
            result[group.rows] = self._answers(group.images, engine=self._engine, names=names)
        return result

    def _answers(
        self,
        images: Pixels | Files,
        *,
        engine: str,
        names: tuple[str, ...] = (),
        otherwise: dict[str, Any] | None = None,
    ) -> np.ndarray:
        embedded = self._embedded(images, engine=engine, otherwise=otherwise or {})
        ids = names or tuple(map(str, range(len(images))))
        return self.head.logits(stored(embedded, storage=self._spec["storage"], ids=ids)[0].numpy())

    def graph(self) -> Graph:
        """From pixels (of the data set's native size, or else already of the network's) to logits, in float32."""
        from pipelines.predict.graphs import FrozenGraph

        backbone = self._backbone()
        height, width = self._native or backbone.preprocessing.image_size
        resize = _resize(backbone.preprocessing, height=height, width=width) if self._native else None
        one = embed.Encoder(backbone, resize=resize, precision="float32")
        examples = pictures.examples(self._record.dataset, height=height, width=width)
        whole = None if self._native else {"crop_fraction": 1.0, "crop_mode": "center"}  # they are cut already
        predicted = self._answers(Pixels(examples), engine="eager", otherwise=whole)
        return Graph(FrozenGraph(one, self.head.module()).eval(), height, width, examples, predicted)

    @memory_kept()
    def _embedded(self, images: Pixels | Files, *, engine: str, otherwise: dict[str, Any]) -> torch.Tensor:
        """float32 [1, n, D], the plain view. The backbone is loaded for each way: an encoder may change it in place."""
        backbone = self._backbone()
        read = source(images, backbone.preprocessing.updated(otherwise))
        one = embed.Encoder(backbone, resize=read.resize, precision=self._spec["precision"])
        model = embed.build(one, engine=engine, device=self._context.device)
        batch_size = min(self._spec["batch_size"], len(images)) if self._quick else self._spec["batch_size"]
        embedder = Embedder(model, device=self._context.device, batch_size=batch_size, notice=self._context.notice)
        stepped = self._context.counter(len(images), "images")
        blocks = embedder.blocks(read, block_ranges(len(images), 8 * batch_size), stepped=stepped)
        return torch.cat([block.features for block in blocks], dim=1)

    def _backbone(self) -> frozen.Backbone:
        spec = self._spec
        given: dict[str, Any] = {
            key: tuple(one) if isinstance(one, list) else one for key, one in spec["preprocessing"].items()
        }
        preprocessing = Preprocessing(**given)
        found = features.backbone(spec, weights=self._weights, workspace=self._context.workspace)
        if found.weights_sha256 != spec["weights"]["sha256"]:
            raise InvalidInputError(
                f"weights must be those that run {self._record.run} used (sha256 {spec['weights']['sha256'][:12]}); "
                f"got others from {self._weights!r} ({found.weights_sha256[:12]}). Name the right file with --weights."
            )
        return replace(found, preprocessing=preprocessing)


def _weights(record: DoneRecord, *, context: Context, given: Path | None) -> str:
    """Where to load the backbone's weights from: the given file, the source by name, or where the file lay."""
    name = record.source.spec["weights"]["source"]
    if given is not None or name != "file":
        return name if given is None else str(given)
    noted = extractions.find(context.workspace, record.source.content)
    found = None if noted is None else noted.weights_file
    if found is None or not is_file(found):
        raise InvalidInputError(
            f"weights file of run {record.run} must be where it was; got "
            f"{'no note of its place' if found is None else repr(found)}. Name it with --weights."
        )
    return found


def _resize(preprocessing: Preprocessing, *, height: int, width: int) -> nn.Module:
    if not resizes_by_matrix(preprocessing, height=height, width=width):
        raise InvalidInputError(
            f"preprocessing must be one that a graph can hold; got crop mode {preprocessing.crop_mode!r} at "
            f"{preprocessing.image_size}, which pads or is not square. Use another --image-size."
        )
    return Resize(preprocessing, height=height, width=width)
