"""The classifier of a run of a head: the frozen backbone of its features, and the head."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from extract.backbones import frozen
from extract.backbones.transforms import Preprocessing
from extract.backbones.weights import is_file
from extract.data.images import Files, Pixels
from extract.errors import CorruptFileError, InvalidInputError
from extract.features import embed, engines
from extract.features.embed import source, stored
from extract.features.layout import block_ranges
from extract.runtime.allocator import memory_kept
from extract.runtime.typed_json import typed
from finetune import timm_folder
from heads.modules import Layers
from heads.persist import AppliedHead, load_applied
from pipelines.predict.classify import Classifier, Outputs
from pipelines.tasks import features
from pipelines.workspace import extractions, records
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord


def load(record: DoneRecord, *, context: Context, weights: Path | None, exact: bool | None) -> "FrozenClassifier":
    """The classifier of a head's `record`. Raises where its weights cannot be found, or are not those recorded."""
    head, recipe = load_applied(records.folder(context.workspace, record.run), device=context.device)
    if recipe["content"] != record.source.content:
        raise CorruptFileError(f"head must be that of its record; got another in run {record.run}. Run it again.")
    return FrozenClassifier(record, head, context=context, weights=weights, exact=exact)


class FrozenClassifier(Classifier):
    """Embeds as the run's features were embedded (same batch, precision, engine, storage), then applies the head."""

    def __init__(
        self, record: DoneRecord, head: AppliedHead, *, context: Context, weights: Path | None, exact: bool | None
    ) -> None:
        names = tuple(record.class_names[int(label)] for label in head.classes)
        super().__init__(record, names, context=context, exact=exact)
        self._spec, self._head = record.source.spec, head
        self._weights = _weights(record, context=context, requested=weights)

    @property
    def preprocessing(self) -> Preprocessing:
        return typed(self._spec["preprocessing"], Preprocessing)

    @memory_kept()
    def _outputs(
        self,
        images: Pixels | Files,
        preprocessing: Preprocessing,
        *,
        names: tuple[str, ...] = (),
        stepped: Callable[[int], None] = lambda _: None,
        compiles: bool = True,
        quick: bool = False,
    ) -> Outputs:
        read, spec, device = source(images, preprocessing), self._spec, self.context.device
        # the backbone is loaded for each way: an encoder may change it in place
        one = embed.Encoder(self._backbone(), resize=read.resize, precision="float32" if quick else spec["precision"])
        engine = self.record.source.engine if compiles and not quick else "eager"
        batch_size = min(spec["batch_size"], len(images)) if quick else spec["batch_size"]
        embedder = engines.embedder(
            one, engine=engine, device=device, batch_size=batch_size, notice=self.context.notice
        )
        blocks = embedder.blocks(read, block_ranges(len(images), 8 * batch_size), stepped=stepped)
        embedded = torch.cat([block.features for block in blocks], dim=1)  # [1, N, D], the plain view
        ids = names or tuple(map(str, range(len(images))))
        features = stored(embedded, storage=spec["storage"], ids=ids)[0].numpy()
        return Outputs(self._head.logits(features), features)

    def _module(self, height: int, width: int) -> nn.Module:
        resize = self._resize(height, width) if self._native else None
        return FrozenGraph(embed.Encoder(self._backbone(), resize=resize, precision="float32"), self._head.module())

    def _whole(self) -> tuple[nn.Module, str]:
        head, name = self._head.module(), self._spec["backbone"]
        folded = head.folded() if isinstance(head, Layers) else None
        if folded is None or self._spec["pool"] != "network" or self._spec["layers"] is not None:
            raise InvalidInputError(
                "run must be of a head that is one layer on the network's own embedding for --format timm; got "
                f"{self.record.name}. Use --format onnx or torch."
            )
        size = self.preprocessing.image_size[0]
        return timm_folder.with_head(name, self._backbone().module, head=folded, image_size=size), name

    def _backbone(self) -> frozen.Backbone:
        spec = self._spec
        found = features.backbone(spec, weights=self._weights, workspace=self.context.workspace)
        if found.weights_sha256 != spec["weights"]["sha256"]:
            raise InvalidInputError(
                f"weights must be those that run {self.record.run} used (sha256 {spec['weights']['sha256'][:12]}); "
                f"got others from {self._weights!r} ({found.weights_sha256[:12]}). Name the right file with --weights."
            )
        return replace(found, preprocessing=self.preprocessing)


def _weights(record: DoneRecord, *, context: Context, requested: Path | None) -> str:
    """Where to load the backbone's weights from: the given file, the source by name, or where the file lay."""
    name = record.source.spec["weights"]["source"]
    if requested is not None or name != "file":
        return name if requested is None else str(requested)
    noted = extractions.find(context.workspace, record.source.content)
    found = None if noted is None else noted.weights_file
    if found is None or not is_file(found):
        raise InvalidInputError(
            f"weights file of run {record.run} must be where it was; got "
            f"{'no note of its place' if found is None else repr(found)}. Name it with --weights."
        )
    return found


class FrozenGraph(nn.Module):
    """uint8 [B, 3, h, w] -> logits float64 [B, K]: encoder, then head."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(images)[0])
