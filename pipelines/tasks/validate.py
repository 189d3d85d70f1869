"""Images x network -> its score on the validation split, computed or found. The test split is not loaded."""

import functools
import shutil
from dataclasses import asdict

from extract.runtime.machine import machine, package_versions
from extract.runtime.memory import enough_for
from pipelines.specs import NetworkKey, NetworkSpec
from pipelines.tasks.train import alone, network_inputs
from pipelines.training.train_network import LESS_MEMORY, TrainingInputs
from pipelines.workspace import cache, explorations, records, stored
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.explorations import ValidatedRun
from pipelines.workspace.schema import RunName


def validated(spec: NetworkSpec, context: Context) -> StageResult[ValidatedRun]:
    """The validation score of a network that is trained as `pipeline train` would, up to there; computed or found."""
    key, inputs = network_inputs(spec, context)
    place, text = context.workspace, key.text()
    read = functools.partial(explorations.validated, place)
    with alone(key, inputs, is_known=lambda: cache.find(_validated, text, workspace=place, read=read) is not None):
        found, cached = cache.ask(_validated, text, context=inputs, workspace=place, read=read)
    return StageResult(found, explorations.validated_path(place, found.run), cached)


def _validated(key: str, context: TrainingInputs) -> RunName:
    """Trains with checkpoints, so that a killed one goes on; only the score is kept."""
    import heads
    from pipelines.training.pixels import TrainingData
    from pipelines.training.prepare import prepare
    from pipelines.training.results import LIBRARIES

    parsed = NetworkKey.from_text(key)
    with enough_for("training", remedy=LESS_MEMORY):
        data = TrainingData(context.located, parsed, splits=("train",))
        ready = prepare(parsed, context, data=data, quiet=True)
        validation = ready.validation
        assert validation is not None  # an ablation goes by one
        fitted = ready.fit(ready.rows, validation, folder=context.checkpoints(parsed) / "chosen")
        logits, labels = ready.logits(fitted.network, validation), validation.labels.numpy()
    ids, workspace = data.images.splits["train"].ids, context.context.workspace
    found = ValidatedRun(
        run=parsed.run(),
        key=parsed.as_dict(),
        correct="".join(str(int(one)) for one in logits.argmax(1) == labels),
        ids=[ids[row] for row in ready.validation_rows],
        log_loss=heads.scores(logits, labels).log_loss,
        epochs_run=fitted.epochs_run,
        seconds=fitted.train_seconds + fitted.validation_seconds,
        hardware={**asdict(machine()), "device": context.context.device},
        versions=package_versions(*LIBRARIES),
        created=records.now(),
    )
    stored.write(explorations.validated_path(workspace, found.run), found)
    shutil.rmtree(context.checkpoints(parsed), ignore_errors=True)
    return found.run
