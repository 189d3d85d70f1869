"""Spec -> feature file in the workspace, computed or found. Imports no torch before it computes."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import structs

from extract.backbones.weights import is_file, split
from extract.data.bad_images import files, refused_together
from extract.data.datasets import Located
from extract.data.images import ImageSet
from extract.runtime.locks import keep_while
from extract.runtime.machine import let_idle_threads_sleep
from extract.runtime.memory import enough_for
from pipelines.specs import ExtractKey, ExtractSpec, Weights, locate, resolve_extract
from pipelines.tasks.features import described, feature_spec, intact, is_intact, lender, loaded, path_of, shards_folder
from pipelines.training import images
from pipelines.workspace import cache, extractions, rates
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.extractions import Extraction, ExtractionCost
from pipelines.workspace.schema import Sha256

if TYPE_CHECKING:
    from extract.backbones.frozen import Backbone
    from extract.features.extraction import Computation, ExtractionTiming
    from extract.features.layout import Layout
    from extract.features.store import FeatureFile

LESS_MEMORY = "Use a smaller --batch-size or --image-size, or another --backbone"


class Compute(Protocol):
    """Makes the feature file of an extraction that is ready: in this process (`_alone`), or in shards."""

    def __call__(self, one: "ReadyExtraction", context: Context, *, plain: "FeatureFile | None") -> "ExtractionTiming":
        """What it took. `plain` is the feature file of the plain view, where that is there already."""
        ...


@dataclass(frozen=True)
class ExtractionInputs:
    """Inputs of an extraction beside its key, which only digests it: the weights and the data themselves.

    `bad` are the ids of unreadable images that are left out, where they are known; `compute` is what makes the file.
    """

    source: Weights
    located: Located
    context: Context
    bad: tuple[str, ...] | None = None
    compute: Compute | None = None


@dataclass(frozen=True)
class ReadyExtraction:
    """An extraction of which nothing is left but to compute: the images, the backbone, and the file to be made.

    `not_compiled` says why it is not compiled, where something stands in the way.
    """

    key: ExtractKey
    images: ImageSet
    backbone: "Backbone"
    path: Path
    layout: "Layout"
    config: "Computation"
    not_compiled: str


def extract(spec: ExtractSpec, context: Context, *, compute: Compute | None = None) -> StageResult[Extraction]:
    """The spec's feature file, found or computed, by `compute` where that is given."""
    workspace = context.workspace
    key, inputs = extraction_inputs(spec, context)
    located = inputs.located
    (record, computed), cached = cache.ask(
        _extract,
        key.text(),
        context=replace(inputs, compute=compute),
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


def extraction_inputs(spec: ExtractSpec, context: Context) -> tuple[ExtractKey, ExtractionInputs]:
    """The key of a spec here and now, and what extracting needs beside that."""
    context.doing("looking for the data set")
    workspace, located = context.workspace, _located(spec, context)
    context.tell(located.notices)
    key = resolve_extract(spec, located=located, device=context.device, workspace=workspace)
    return key, ExtractionInputs(Weights.find(spec.weights, workspace), located, context)


def _located(spec: ExtractSpec, context: Context) -> Located:
    """The data set; where it is one of files, their decoding will have the processor."""
    located = locate(spec, context.workspace, progress=context.reading)
    if located.folder is not None:
        let_idle_threads_sleep()
    return located


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
    workspace, located = context.workspace, _located(spec, context)
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
    with enough_for("extraction", remedy=LESS_MEMORY):
        return _extracted(ready(key, inputs), inputs)


def ready(key: ExtractKey, inputs: ExtractionInputs) -> ReadyExtraction:
    """The images, the backbone and the layout of the file of `key`."""
    from extract.features import extraction

    _check(key, inputs.source)
    data, skipped = _images(key, inputs)
    inputs.context.doing("")  # weights that are downloaded come with a bar of the hub's own
    backbone = _backbone(key, inputs.source)
    for notice in backbone.notices:
        inputs.context.notice(notice)
    key = replace(key, backbone=backbone.name)  # as timm calls it today
    spec = feature_spec(key, backbone=backbone, dataset=data.name)
    rows = extraction.step_size(data, key.batch_size)
    device = inputs.context.device
    config = extraction.Computation(device, key.precision, key.views, key.storage, rows, key.inference)
    layout, reason = extraction.plan(data, backbone, spec=spec, config=config, skipped_ids=skipped)
    path = path_of(inputs.context.workspace / "features", spec)
    return ReadyExtraction(key, data, backbone, path, layout, config, reason)


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
    data, skipped = images.chosen(inputs.located, key, bad=inputs.bad)
    inputs.context.tell(images.notices(inputs.located, skipped))
    return data, skipped


def _extracted(one: ReadyExtraction, inputs: ExtractionInputs) -> tuple[Sha256, bool]:
    from extract.features import store

    context = inputs.context
    with store.locked(one.path), refused_together(*files(one.images)):
        timing, plain = None, None
        if intact(one.path) is None:
            if one.not_compiled:
                context.notice(f"{one.path.name}: not compiled, because {one.not_compiled}")
            plain = plain_view(one)
            if plain is not None:
                context.notice(f"the plain view is there already, in {plain.path.name}")
            timing = (inputs.compute or _alone)(one, context, plain=plain)
            shutil.rmtree(shards_folder(one.path), ignore_errors=True)  # most have none
        record = described(store.FeatureFile(one.path), one.backbone)
    _keep(context.workspace, record, timing=timing, plain_view_of=None if plain is None else plain.content)
    return record.content, timing is not None


def plain_view(one: ReadyExtraction) -> "FeatureFile | None":
    """The intact feature file of the plain view of an extraction that has others too; None where there is none."""
    spec = dict(one.layout.spec)
    return lender(spec, layout=one.layout, folder=one.path.parent) if one.key.views == "flip" else None


def _alone(one: ReadyExtraction, context: Context, *, plain: "FeatureFile | None") -> "ExtractionTiming":
    from extract.features import extraction

    timing = extraction.extract(
        one.images,
        one.backbone,
        layout=one.layout,
        config=one.config,
        path=one.path,
        progress=lambda done, total: context.progress(done, total, "images"),
        notice=context.notice,
        estimated=context.estimated,
        doing=context.doing,
        plain=plain,
    )
    source, views = one.images.name if files(one.images) else "", one.layout.view_count - (plain is not None)
    of = {"precision": one.key.precision, "rows": one.key.batch_size, "engine": one.layout.engine, "source": source}
    rates.keep_extraction(context.workspace, rates.extraction(one.backbone, **of), timing, views=views)
    return timing


def _keep(workspace: Path, record: Extraction, *, timing: "ExtractionTiming | None", plain_view_of: str | None) -> None:
    """Writes the record with what the extraction took; what was known of a file that is there already stays known.

    Of one that went on where a killed one stopped, the images count that were there, at the rate of the others.
    """
    before = extractions.find(workspace, record.content)
    if timing is not None and timing.images_computed:
        lender = None if plain_view_of is None else extractions.find(workspace, plain_view_of)
        lent = 0.0 if plain_view_of is None else None if lender is None else lender.seconds
        there = (record.rows - timing.images_computed) / timing.images_per_second
        seconds = None if lent is None else timing.seconds + there + lent
        seconds = before.seconds if seconds is None and before is not None else seconds
        known = ExtractionCost(**asdict(timing))
        record = structs.replace(record, timing=known, plain_view_of=plain_view_of, seconds=seconds)
    elif before is not None:
        seen = {name: getattr(before, name) for name in ("created", "timing", "plain_view_of", "seconds")}
        record = structs.replace(record, **seen)
    extractions.write(workspace, record)
