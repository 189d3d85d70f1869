"""Spec -> feature file in the workspace, computed or found. Imports no torch before it computes."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from extract.backbones.weights import is_file, split
from extract.data.bad_images import files, refused_together
from extract.data.datasets import Located
from extract.data.images import ImageSet
from extract.runtime.locks import keep_while
from extract.runtime.memory import enough_for
from pipelines.specs import ExtractKey, ExtractSpec, Weights, locate, resolve_extract
from pipelines.tasks.features import described, feature_spec, intact, is_intact, lender, loaded, path_of
from pipelines.training import images
from pipelines.workspace import cache, extractions, rates
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.extractions import Extraction, ExtractionCost
from pipelines.workspace.record import Sha256

if TYPE_CHECKING:
    from extract.backbones.frozen import Backbone
    from extract.features.extraction import ExtractionTiming


@dataclass(frozen=True)
class ExtractionInputs:
    """Inputs of an extraction beside its key, which only digests it: the weights and the data themselves."""

    source: Weights
    located: Located
    context: Context


def extract(spec: ExtractSpec, context: Context) -> StageResult[Extraction]:
    """The spec's feature file, computed or found."""
    context.doing("looking for the data set")
    workspace, located = context.workspace, locate(spec, context.workspace, progress=context.reading)
    context.tell(located.notices)
    key = resolve_extract(spec, located=located, device=context.device, workspace=workspace)
    (record, computed), cached = cache.ask(
        _extract,
        key.text(),
        context=ExtractionInputs(Weights.find(spec.weights, workspace), located, context),
        workspace=workspace,
        read=_reader(workspace),
        is_intact=lambda found: is_intact(found[0], workspace),
    )
    said = images.notices(located, record.skipped)
    context.tell(said)
    known = structs.replace(record, weights_file=_weights_file(spec.weights), notices=said)
    if known != record:
        extractions.write(workspace, known)
    return StageResult(known, workspace / "features" / known.file, cached or not computed, tuple(said))


@contextlib.contextmanager
def pinned_features(spec: ExtractSpec, context: Context) -> Iterator[StageResult[Extraction]]:
    """The feature file of `extract`, which stays where it is while the body runs, whoever trims the workspace."""

    class Holder:
        """Object that keeps the file."""

    found, holder = extract(spec, context), Holder()
    while not keep_while(holder, found.path):  # it was trimmed just now
        found = extract(spec, context)
    yield found
    del holder


def kept_features(spec: ExtractSpec, context: Context) -> StageResult[Extraction] | None:
    """The spec's features where the cache knows them; their file may be gone (`is_intact`)."""
    workspace, located = context.workspace, locate(spec, context.workspace, progress=context.reading)
    key = resolve_extract(spec, located=located, device=context.device, workspace=workspace)
    found = cache.find(_extract, key.text(), workspace=workspace, read=_reader(workspace))
    if found is None:
        return None
    record, _ = found
    said = tuple(images.notices(located, record.skipped))
    return StageResult(record, workspace / "features" / record.file, notices=said)


def _extract(key: str, context: ExtractionInputs) -> tuple[Sha256, bool]:
    return compute(ExtractKey.from_text(key), context)


def _reader(workspace: Path) -> Callable[[tuple[str, bool]], tuple[Extraction, bool] | None]:
    """From the answer of `_extract` to the record with whether it was computed for it, not found."""

    def read(name: tuple[str, bool]) -> tuple[Extraction, bool] | None:
        record = extractions.find(workspace, name[0])
        return None if record is None else (record, name[1])

    return read


def _weights_file(weights: str) -> str | None:
    """Where weights that are a file lie; the set of tensors that was chosen stands behind a "#"."""
    if not is_file(weights):
        return None
    path, chosen = split(weights)
    return f"{path.resolve()}#{chosen}" if chosen else str(path.resolve())


def compute(key: ExtractKey, inputs: ExtractionInputs) -> tuple[Sha256, bool]:
    """Extracts (or finds) the feature file of `key`, keeps its record: (content digest, whether it was extracted).

    What the backbone cannot do is refused before images are read or weights are fetched.
    """
    _check(key, inputs.source)
    with enough_for("extraction", remedy="Use a smaller --batch-size or --image-size, or another --backbone"):
        data, skipped = _images(key, inputs)
        inputs.context.doing("")  # weights that are downloaded come with a bar of the hub's own
        backbone = _backbone(key, inputs.source)
        for notice in backbone.notices:
            inputs.context.notice(notice)
        key = replace(key, backbone=backbone.name)  # as timm calls it today
        return _extracted(key, data=data, backbone=backbone, skipped=skipped, context=inputs.context)


def _check(key: ExtractKey, source: Weights) -> None:
    """InvalidInputError for a size, pooling or layers that the backbone lacks; of an own run, when it is loaded."""
    from extract.backbones import frozen

    if source.run_folder is None:
        frozen.check(key.backbone, image_size=key.image_size, pool=key.pool, layers=key.layer_indices())


def _backbone(key: ExtractKey, source: Weights) -> "Backbone":
    layers, seed = key.layer_indices(), key.weights_seed
    shape = {"image_size": key.image_size, "pool": key.pool, "layers": layers, "preprocessing": key.preprocessing}
    return loaded(key.backbone, source.name, folder=source.run_folder, seed=seed, shape=shape)


def _images(key: ExtractKey, inputs: ExtractionInputs) -> tuple[ImageSet, tuple[str, ...]]:
    inputs.context.doing("reading the data set")
    data, skipped = images.chosen(inputs.located, key)
    inputs.context.tell(images.notices(inputs.located, skipped))
    return data, skipped


def _extracted(
    key: ExtractKey, *, data: ImageSet, backbone: "Backbone", skipped: tuple[str, ...], context: Context
) -> tuple[Sha256, bool]:
    from extract.features import extraction, store

    spec = feature_spec(key, backbone=backbone, dataset=data.name)
    rows = extraction.step_size(data, key.batch_size)
    config = extraction.Computation(context.device, key.precision, key.views, key.storage, rows)
    path = path_of(context.workspace / "features", spec)
    layout, reason = extraction.plan(data, backbone, spec=spec, config=config, skipped_ids=skipped)
    with store.locked(path), refused_together(*files(data)):
        timing, plain = None, None
        if intact(path) is None:
            if reason:
                context.notice(f"{path.name}: not compiled, because {reason}")
            plain = lender(spec, layout=layout, folder=path.parent) if key.views == "flip" else None
            if plain is not None:
                context.notice(f"the plain view is there already, in {plain.path.name}")
            timing = extraction.extract(
                data,
                backbone,
                layout=layout,
                config=config,
                path=path,
                progress=lambda done, total: context.progress(done, total, "images"),
                notice=context.notice,
                estimated=context.estimated,
                doing=context.doing,
                plain=plain,
            )
        record = described(store.FeatureFile(path), backbone)
    if timing is not None:
        source, views = data.name if files(data) else "", layout.view_count - (plain is not None)
        of = {"precision": key.precision, "rows": key.batch_size, "engine": layout.engine, "source": source}
        rates.keep_extraction(context.workspace, rates.extraction(backbone, **of), timing, views=views)
    _keep(context.workspace, record, timing=timing, plain_view_of=None if plain is None else plain.content)
    return record.content, timing is not None


def _keep(workspace: Path, record: Extraction, *, timing: "ExtractionTiming | None", plain_view_of: str | None) -> None:
    """Writes the record with what the extraction took; what was known of a file that is there already stays known."""
    before = extractions.find(workspace, record.content)
    if timing is not None:
        lender = None if plain_view_of is None else extractions.find(workspace, plain_view_of)
        lent = 0.0 if plain_view_of is None else None if lender is None else lender.seconds
        seconds = None if lent is None else timing.seconds + lent
        seconds = before.seconds if seconds is None and before is not None else seconds
        known = ExtractionCost(**asdict(timing))
        record = structs.replace(record, timing=known, plain_view_of=plain_view_of, seconds=seconds)
    elif before is not None:
        seen = {name: getattr(before, name) for name in ("created", "timing", "plain_view_of", "seconds")}
        record = structs.replace(record, **seen)
    extractions.write(workspace, record)
