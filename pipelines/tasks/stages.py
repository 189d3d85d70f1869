"""Spec -> result: the only cached functions of the project.

A cached function returns the name of the record that it wrote; every name that is read is checked against the return
type. What a record means is versioned by the `stage_version` in the keys.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import structs

from extract.backbones.weights import is_file, split
from extract.runtime.locks import keep_while
from pipelines.specs import (
    ExtractKey,
    ExtractSpec,
    HeadKey,
    HeadSpec,
    NetworkKey,
    NetworkSpec,
    ShotsKey,
    Weights,
    locate,
    resolve_extract,
    resolve_head,
    resolve_network,
    resolve_shots,
)
from pipelines.specs.data import DataSpec
from pipelines.tasks import features, few_shot, fitting
from pipelines.training import images, processes, train_network
from pipelines.training.head_init import HeadInitializer
from pipelines.training.processes import exclusive
from pipelines.workspace import cache, extractions, records
from pipelines.workspace.context import Context
from pipelines.workspace.extractions import Extraction
from pipelines.workspace.record import DoneRecord, RunName, Sha256, ShotsRow

Kept = TypeVar("Kept", Extraction, DoneRecord)


@dataclass(frozen=True)
class StageResult(Generic[Kept]):
    """The record of what a spec asks for, where its file or folder lies, and whether the cache had it.

    `notices` is what people should know of how the data were read.
    """

    record: Kept
    path: Path
    cached: bool = True
    notices: tuple[str, ...] = ()


def _extract(key: str, context: features.ExtractionInputs) -> tuple[Sha256, bool]:
    return features.compute(ExtractKey.from_text(key), context)


def _fit_head(key: str, context: fitting.FitInputs) -> RunName:
    return fitting.compute(HeadKey.from_text(key), context)


def _few_labels(key: str, context: fitting.FitInputs) -> list[ShotsRow]:
    return few_shot.compute(ShotsKey.from_text(key), context)


def _train(key: str, context: train_network.TrainingInputs) -> RunName:
    return train_network.compute(NetworkKey.from_text(key), context) or ""


def extract(spec: ExtractSpec, context: Context) -> StageResult[Extraction]:
    """The spec's feature file, computed or found."""
    context.doing("looking for the data set")
    workspace, located = context.workspace, locate(spec, context.workspace, progress=reading(context))
    context.tell(located.notices)
    key = resolve_extract(spec, located=located, device=context.device, workspace=workspace)
    (record, computed), cached = cache.ask(
        _extract,
        key.text(),
        context=features.ExtractionInputs(Weights.find(spec.weights, workspace), located, context),
        workspace=workspace,
        read=_reader(workspace),
        is_intact=lambda found: features.is_intact(found[0], workspace),
    )
    said = images.notices(located, record.skipped)
    context.tell(said)
    known = structs.replace(record, weights_file=_weights_file(spec.weights), notices=said)
    if known != record:
        extractions.write(workspace, known)
    return StageResult(known, workspace / "features" / known.file, cached or not computed, tuple(said))


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


@contextlib.contextmanager
def validation_features(spec: ExtractSpec, context: Context) -> Iterator[StageResult[Extraction]]:
    """The feature file of `extract`, which stays where it is while the body runs, whoever trims the workspace."""

    class Holder:
        """Object that keeps the file."""

    found, holder = extract(spec, context), Holder()
    while not keep_while(holder, found.path):  # it was trimmed just now
        found = extract(spec, context)
    yield found
    del holder


def fit_head(spec: HeadSpec, context: Context, *, features_path: Path) -> StageResult[DoneRecord]:
    """A head on a feature file, computed or found."""
    from extract.features.store import FeatureFile

    file, workspace = FeatureFile(features_path), context.workspace
    noted = extractions.find(workspace, file.content)
    context.tell(() if noted is None else noted.notices)
    record, cached = cache.ask(
        _fit_head,
        resolve_head(spec, features=file.content).text(),
        context=fitting.FitInputs(file, context),
        workspace=workspace,
        read=lambda run: records.intact(workspace, run),
    )
    return StageResult(record, workspace / "runs" / record.run, cached)


def kept_head(spec: HeadSpec, context: Context, *, content: str) -> StageResult[DoneRecord] | None:
    """A head on the features whose content digest is `content`, where it is kept with all its files; else None.

    The feature file itself may be gone: what was learned from it stays known.
    """
    workspace, key = context.workspace, resolve_head(spec, features=content)
    read = functools.partial(records.intact, workspace)
    record = cache.find(_fit_head, key.text(), workspace=workspace, read=read)
    return None if record is None else StageResult(record, workspace / "runs" / record.run)


def few_labels(
    spec: HeadSpec, context: Context, *, features_path: Path, counts: tuple[int, ...], draws: int
) -> list[ShotsRow]:
    """Accuracy against labels a class, one row for each of `counts`, over `draws`; computed or found."""
    from extract.features.store import FeatureFile

    file = FeatureFile(features_path)
    key = resolve_shots(spec, features=file.content, shots=counts, draws=draws)
    inputs = fitting.FitInputs(file, context)
    return cache.ask(_few_labels, key.text(), context=inputs, workspace=context.workspace, read=list)[0]


def kept_few_labels(
    spec: HeadSpec, context: Context, *, content: str, counts: tuple[int, ...], draws: int
) -> list[ShotsRow] | None:
    """The table of `few_labels` on the features whose content digest is `content`, where it is kept; else None."""
    key = resolve_shots(spec, features=content, shots=counts, draws=draws)
    return cache.find(_few_labels, key.text(), workspace=context.workspace, read=list)


def kept_features(spec: ExtractSpec, context: Context) -> StageResult[Extraction] | None:
    """The spec's features where the cache knows them; their file may be gone (`features.is_intact`)."""
    workspace, located = context.workspace, locate(spec, context.workspace, progress=reading(context))
    key = resolve_extract(spec, located=located, device=context.device, workspace=workspace)
    found = cache.find(_extract, key.text(), workspace=workspace, read=_reader(workspace))
    if found is None:
        return None
    record, _ = found
    said = tuple(images.notices(located, record.skipped))
    return StageResult(record, workspace / "features" / record.file, notices=said)


def train(spec: NetworkSpec, context: Context, *, tensorboard: Path | None = None) -> StageResult[DoneRecord]:
    """A trained network, computed or found.

    Processes that torchrun started work on it together; the first one asks the cache and writes. Where another
    training of the same network runs, it is waited for, and its record is the answer.
    """
    with processes.joined(context) as here:
        key, inputs = network_inputs(spec, here, tensorboard=tensorboard)
        place, text = context.workspace, key.text()
        read = functools.partial(records.intact, place)

        def is_known() -> bool:
            return cache.find(_train, text, workspace=place, read=read) is not None

        with _exclusive(key, inputs, is_known=is_known):
            record, cached = processes.together(
                lambda: cache.ask(_train, text, context=inputs, workspace=place, read=read),
                answer=tuple[DoneRecord, bool],
                known=is_known,
                work=lambda: train_network.compute(key, inputs),
            )
            context.tell(images.notices(inputs.located, record.choice.skipped or ()))
    return StageResult(record, place / "runs" / record.run, cached)


@contextlib.contextmanager
def _exclusive(
    key: NetworkKey, inputs: train_network.TrainingInputs, *, is_known: Callable[[], bool]
) -> Iterator[None]:
    """Holds the lock of the training of `key`; of none where it is only looked for, or known."""
    if cache.is_looking() or processes.first_says(is_known):
        yield
        return
    cache.make_workspace(inputs.context.workspace)
    with exclusive(inputs.checkpoints(key), notice=inputs.context.notice):
        yield


def network_inputs(
    spec: NetworkSpec, context: Context, *, tensorboard: Path | None = None
) -> tuple[NetworkKey, train_network.TrainingInputs]:
    """The key of a spec here and now, and what training it needs beside that."""
    context.doing("looking for the data set")
    with processes.in_turn():
        located = train_network.locate_images(spec, context.workspace, progress=reading(context))
    context.tell(located.notices)
    key = resolve_network(
        spec,
        located=located,
        device=context.device,
        workspace=context.workspace,
        processes=processes.count(),
    )
    source = Weights.find(str(spec.weights), context.workspace)
    head_initializer = _head_initializer(spec, context)
    return key, train_network.TrainingInputs(located, source, context, head_initializer, spec.speed(), tensorboard)


def reading(context: Context) -> Callable[[int, int], None]:
    """The progress of files that are read to know their content."""
    return lambda done, total: context.progress(done, total, "files")


def _head_initializer(spec: NetworkSpec, context: Context) -> HeadInitializer:
    """Gives a fine-tuning the head of its network, through the stages."""
    features = ExtractSpec(
        backbone=spec.network,
        weights=str(spec.weights),
        storage="float32",  # what the last layer will see, not what is near it
        precision=spec.resolved_recipe().precision,
        **spec.part(DataSpec),
    )

    def in_turn(make: Callable[[], StageResult[Extraction] | StageResult[DoneRecord]]) -> Path:
        with processes.in_turn():
            return make().path

    def extracted(size: int) -> tuple[Path, float | None]:
        from extract.features.store import FeatureFile

        file = FeatureFile(in_turn(lambda: extract(replace(features, image_size=size), context)))
        known = extractions.find(context.workspace, file.content, notice=context.notice)
        return file.path, extractions.shares(None if known is None else known.seconds, file)["train"]

    return HeadInitializer(
        context,
        features=extracted,
        fitted=lambda path: in_turn(lambda: fit_head(HeadSpec(seed=spec.seed), context, features_path=path)),
    )
