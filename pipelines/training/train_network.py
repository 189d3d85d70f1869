"""Images x network -> a run: the network trained, scored once, kept. Imports no torch before it computes."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from extract.data.datasets import Located
from extract.errors import InvalidInputError, StorageError, reason
from extract.runtime.memory import Peak, enough_for
from pipelines.specs import NetworkKey, NetworkSpec, Weights
from pipelines.specs import data as data_specs
from pipelines.training import processes
from pipelines.training.head_init import HeadInitializer
from pipelines.workspace import records
from pipelines.workspace.context import Context
from pipelines.workspace.schema import Options, RunName

LESS_MEMORY = "Use a smaller --batch-size or --image-size, or compute a batch in parts with --accumulate"


@dataclass(frozen=True)
class TrainingInputs:
    """Inputs of a training beside its key, which only digests it.

    `head_initializer` gives the fitted head to the modes that start from one. `speed` are the options of the recipe
    that are not in the key because they change no result; `tensorboard` is where TensorBoard's files are written, with
    refit in the subfolders `chosen` and `refit`.
    """

    located: Located
    source: Weights
    context: Context
    head_initializer: HeadInitializer
    speed: Options = field(default_factory=dict)
    tensorboard: Path | None = None

    def checkpoints(self, key: NetworkKey) -> Path:
        """Directory of the state of an unfinished training of `key`."""
        return self.context.workspace / "checkpoints" / key.run()


def locate_images(
    spec: NetworkSpec, workspace: Path, *, progress: Callable[[int, int], None] = data_specs.silent
) -> Located:
    """Locate the spec's data set, as `specs.data.located` does; an impossible network is refused before a
    download."""

    def check() -> None:
        from pipelines.training import network

        network.check(spec, own_weights=Weights.find(str(spec.weights), workspace).run_folder is not None)

    return data_specs.located(spec, workspace, progress=progress, before_download=check)


def compute(key: NetworkKey, inputs: TrainingInputs) -> RunName | None:
    """Trains, scores and keeps the network of `key` under `runs/<run>/`, and returns the run's name.

    The test split is scored only after everything is chosen. What is refused leaves no trace; a failure leaves a
    record of itself; an interruption leaves the checkpoint with which the same key goes on. Of several processes
    only the first scores for good, writes and has something to return; None in the others.
    """
    from finetune.training.loop import TrainingInterruptedError
    from finetune.training.mail import LostPeerError
    from pipelines.training import prepare, results

    workspace, peak = inputs.context.workspace, Peak(inputs.context.device)
    try:
        with enough_for("training", remedy=LESS_MEMORY):
            ready = prepare.prepare(key, inputs)
            result = prepare.run(ready)
    except (InvalidInputError, TrainingInterruptedError, LostPeerError, StorageError):
        raise
    except Exception as error:
        if processes.rank() == 0:
            name = inputs.located.name
            facts = results.facts(key, dataset=name, class_names=())
            records.failed(workspace, **results.identity(key, dataset=name), error=reason(error), facts=facts)
        raise
    if processes.rank():
        return None
    results.keep(ready, result, peak_memory_bytes=peak.bytes())
    results.keep_rate(ready, result)
    shutil.rmtree(inputs.checkpoints(key), ignore_errors=True)
    return key.run()
