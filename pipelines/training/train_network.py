"""Images x network -> a run: the network trained, scored once, kept. What the train stage computes."""

import shutil
from pathlib import Path
from typing import Any

from extract.errors import InvalidInputError, StorageError, reason
from extract.runtime.memory import Peak, enough_for
from pipelines.specs import NetworkKey
from pipelines.training import processes
from pipelines.training.inputs import Inputs
from pipelines.workspace import records
from pipelines.workspace.answer_shapes import TrainedNetwork

LESS_MEMORY = "Use a smaller --batch-size or --image-size, or compute a batch in parts with --accumulate"


def compute(key: NetworkKey, inputs: Inputs) -> TrainedNetwork | None:
    """Trains, scores and keeps the network of `key` under `runs/<run>/`, and returns its record's short form.

    The test split is read only after everything is chosen. What is refused leaves no trace; a failure leaves a
    record of itself; an interruption leaves the checkpoint with which the same key goes on. Of several processes
    only the first scores for good, writes and has something to return; None in the others.
    """
    from finetune.training.loop import TrainingInterruptedError
    from finetune.training.mail import LostPeerError
    from pipelines.training import results, running

    workspace, peak = inputs.context.workspace, Peak(inputs.context.device)
    try:
        with enough_for("training", remedy=LESS_MEMORY):
            result = running.prepared(key, inputs).result()
    except (InvalidInputError, TrainingInterruptedError, LostPeerError, StorageError):
        raise
    except Exception as error:
        if processes.rank() == 0:
            _keep_failure(key, error, inputs=inputs)
        raise
    if processes.rank():
        return None
    device = inputs.context.device
    record = results.keep(key, result, peak_memory_bytes=peak.bytes(), device=device, workspace=workspace)
    shutil.rmtree(inputs.checkpoints(key), ignore_errors=True)
    return results.short(record)


def _keep_failure(key: NetworkKey, error: Exception, *, inputs: Inputs) -> None:
    from pipelines.training import results

    records.failed(
        inputs.context.workspace,
        run=key.run(),
        kind="network",
        name=results.name(key, dataset=inputs.located.name),
        key=key.as_dict(),
        error=reason(error),
        facts=results.facts(key, dataset=inputs.located.name, class_names=()),
    )


def is_whole(record: dict[str, Any], workspace: Path) -> bool:
    """Whether the run of a record is there with the files that were recorded."""
    return records.is_whole(workspace, record["run"], record["files"])
