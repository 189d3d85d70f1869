"""Images x network -> a run, computed or found. Imports no torch before it computes."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from pipelines.specs import ExtractSpec, HeadSpec, NetworkKey, NetworkSpec, Weights, resolve_network
from pipelines.specs.data import DataSpec
from pipelines.tasks.extract import extract
from pipelines.tasks.fit_head import fitted_head
from pipelines.training import images, processes, train_network
from pipelines.training.head_init import HeadInitializer
from pipelines.training.processes import exclusive
from pipelines.workspace import cache, extractions, records
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.extractions import Extraction
from pipelines.workspace.schema import DoneRecord, RunName


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

        with alone(key, inputs, is_known=is_known):
            record, cached = processes.together(
                lambda: cache.ask(_train, text, context=inputs, workspace=place, read=read),
                answer=tuple[DoneRecord, bool],
                known=is_known,
                work=lambda: train_network.compute(key, inputs),
            )
            context.tell(images.notices(inputs.located, record.choice.skipped or ()))
    return StageResult(record, place / "runs" / record.run, cached)


def network_inputs(
    spec: NetworkSpec, context: Context, *, tensorboard: Path | None = None
) -> tuple[NetworkKey, train_network.TrainingInputs]:
    """The key of a spec here and now, and what training it needs beside that."""
    context.doing("looking for the data set")
    with processes.in_turn():
        located = train_network.locate_images(spec, context.workspace, progress=context.reading)
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


def _train(key: str, context: train_network.TrainingInputs) -> RunName:
    return train_network.compute(NetworkKey.from_text(key), context) or ""


@contextlib.contextmanager
def alone(key: NetworkKey, inputs: train_network.TrainingInputs, *, is_known: Callable[[], bool]) -> Iterator[None]:
    """Holds the lock of the training of `key`; of none where it is only looked for, or known."""
    if cache.is_looking() or processes.first_says(is_known):
        yield
        return
    cache.make_workspace(inputs.context.workspace)
    with exclusive(inputs.checkpoints(key), inputs.context):
        yield


def _head_initializer(spec: NetworkSpec, context: Context) -> HeadInitializer:
    """Gives a fine-tuning the head of its network, through the cache."""
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
        fitted=lambda path: in_turn(lambda: fitted_head(HeadSpec(seed=spec.seed), context, features_path=path)),
    )
