"""Spec -> result: the only cached functions of the project.

What a cached function returns is declared by its return type, and every answer that is read is checked against it;
what it means is versioned by the `stage_version` in its keys.
"""

import contextlib
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from extract.runtime.locks import keep_while
from extract.runtime.typed_json import plain
from pipelines.specs import (
    ExtractKey,
    ExtractSpec,
    HeadKey,
    HeadSpec,
    NetworkKey,
    NetworkSpec,
    ShotsKey,
    locate,
    resolve_extract,
    resolve_head,
    resolve_network,
    resolve_shots,
    weights_source,
)
from pipelines.specs.data import DataSpec
from pipelines.tasks import features, few_shot, fitting, provenance
from pipelines.training import images, processes, train_network
from pipelines.training.head_init import HeadInitializer
from pipelines.training.processes import exclusive
from pipelines.workspace import cache
from pipelines.workspace.answer_shapes import Extracted, FewLabels, FittedHead, TrainedNetwork
from pipelines.workspace.context import Context


def _extract(key: str, context: features.Inputs) -> Extracted:
    return features.compute(ExtractKey.from_text(key), context)


def _fit_head(key: str, context: fitting.Inputs) -> FittedHead:
    return fitting.compute(HeadKey.from_text(key), context)


def _few_labels(key: str, context: fitting.Inputs) -> FewLabels:
    return few_shot.compute(ShotsKey.from_text(key), context)


def _train(key: str, context: train_network.TrainingInputs) -> TrainedNetwork:
    return typing.cast(TrainedNetwork, train_network.compute(NetworkKey.from_text(key), context))


def extract(spec: ExtractSpec, context: Context) -> dict[str, Any]:
    """The record of the spec's feature file, computed or found; `cached` tells which, `path` where it lies."""
    context.doing("looking for the data set")
    located = locate(spec, context.workspace, progress=reading(context))
    context.tell(located.notices)
    key = resolve_extract(spec, located=located, device=context.device, workspace=context.workspace)
    record, cached = cache.ask(
        _extract,
        key.text(),
        context=features.Inputs(weights_source(spec.weights, context.workspace), located, context),
        workspace=context.workspace,
        is_whole=lambda found: features.is_whole(found, context.workspace),
    )
    said = images.notices(located, record["skipped"])
    context.tell(said)
    provenance.remember(context.workspace, record, weights=spec.weights, notices=said)
    timing = record["timing"] or {}
    return {
        **record,
        "path": str(context.workspace / "features" / record["file"]),
        "seconds": timing.get("seconds", 0.0),
        "images_per_second": timing.get("images_per_second", 0.0),
        "cached": cached or record["timing"] is None,
        "notices": said,
    }


@contextlib.contextmanager
def validation_features(spec: ExtractSpec, context: Context) -> Iterator[dict[str, Any]]:
    """The record of `extract`, whose file stays where it is while the body runs, whoever trims the workspace."""

    class Holder:
        """What keeps the file."""

    record, holder = extract(spec, context), Holder()
    while not keep_while(holder, Path(record["path"])):  # it was trimmed just now
        record = extract(spec, context)
    yield record
    del holder


def fit_head(spec: HeadSpec, context: Context, *, features_path: Path) -> dict[str, Any]:
    """The record of a head on a feature file, computed or found; `cached` tells which."""
    from extract.features.store import FeatureFile

    file = FeatureFile(features_path)
    context.tell(provenance.notices(context.workspace, file.content))
    key = resolve_head(spec, features=file.content)
    record, cached = cache.ask(
        _fit_head,
        key.text(),
        context=fitting.Inputs(file, context),
        workspace=context.workspace,
        is_whole=lambda found: fitting.is_whole(found, context.workspace),
    )
    return {**record, "path": str(context.workspace / "runs" / record["run"]), "cached": cached}


def few_labels(
    spec: HeadSpec, context: Context, *, features_path: Path, counts: str, draws: int
) -> list[dict[str, Any]]:
    """Accuracy against labels a class, one row for each of `counts` ("1,2,5"), over `draws`; computed or found."""
    from extract.features.store import FeatureFile

    file = FeatureFile(features_path)
    table, _ = cache.ask(
        _few_labels,
        resolve_shots(spec, features=file.content, shots=counts, draws=draws).text(),
        context=fitting.Inputs(file, context),
        workspace=context.workspace,
        is_whole=lambda _: True,  # the table is all that there is
    )
    return plain(table["rows"])


def kept_head(spec: HeadSpec, context: Context, *, content: str) -> dict[str, Any] | None:
    """The record of a head on the features whose content digest is `content`, where it is kept whole; else None.

    The feature file itself may be gone: what was learned from it stays known.
    """
    key = resolve_head(spec, features=content)
    return cache.find(
        _fit_head,
        key.text(),
        workspace=context.workspace,
        is_whole=lambda found: fitting.is_whole(found, context.workspace),
    )


def kept_few_labels(
    spec: HeadSpec, context: Context, *, content: str, counts: str, draws: int
) -> list[dict[str, Any]] | None:
    """The table of `few_labels` on the features whose content digest is `content`, where it is kept; else None."""
    key = resolve_shots(spec, features=content, shots=counts, draws=draws)
    found = cache.find(_few_labels, key.text(), workspace=context.workspace, is_whole=lambda _: True)
    return None if found is None else plain(found["rows"])


def kept_features(spec: ExtractSpec, context: Context) -> dict[str, Any] | None:
    """The record of the spec's features where the cache has it; `whole` tells whether their file is still there."""
    located = locate(spec, context.workspace, progress=reading(context))
    key = resolve_extract(spec, located=located, device=context.device, workspace=context.workspace)
    record = cache.find(_extract, key.text(), workspace=context.workspace, is_whole=lambda _: True)
    if record is None:
        return None
    said = images.notices(located, record["skipped"])
    return {**record, "whole": features.is_whole(record, context.workspace), "notices": said}


def train(spec: NetworkSpec, context: Context, *, tensorboard: Path | None = None) -> dict[str, Any]:
    """The record of a trained network, computed or found; `cached` tells which, `path` where it lies.

    Processes that torchrun started work on it together; the first one asks the cache and writes. Where another
    training of the same network runs, it is waited for, and its record is the answer.
    """
    with processes.joined(context) as here:
        key, inputs = network_inputs(spec, here, tensorboard=tensorboard)
        place, text = context.workspace, key.text()

        def is_whole(found: dict[str, Any]) -> bool:
            return train_network.is_whole(found, place)

        def is_known() -> bool:
            return cache.find(_train, text, workspace=place, is_whole=is_whole) is not None

        with _exclusive(key, inputs, is_known=is_known):
            record, cached = processes.together(
                lambda: cache.ask(_train, text, context=inputs, workspace=place, is_whole=is_whole),
                known=is_known,
                work=lambda: train_network.compute(key, inputs),
            )
            context.tell(images.notices(inputs.located, record.get("skipped", ())))
    return {**record, "path": str(place / "runs" / record["run"]), "cached": cached}


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
    source = weights_source(str(spec.weights), context.workspace)
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
        precision=spec.whole_recipe().precision,
        **spec.part(DataSpec),
    )

    def in_turn(make: Callable[[], dict[str, Any]]) -> Path:
        with processes.in_turn():
            return Path(make()["path"])

    def extracted(size: int) -> tuple[Path, float | None]:
        from extract.features.store import FeatureFile

        path = in_turn(lambda: extract(replace(features, image_size=size), context))
        file = FeatureFile(path)
        return path, provenance.shared(provenance.origin(context, file).seconds, file)["train"]

    return HeadInitializer(
        context,
        features=extracted,
        fitted=lambda path: in_turn(lambda: fit_head(HeadSpec(seed=spec.seed), context, features_path=path)),
    )
