"""`pipeline train --find-learning-rate`: a range test of a spec's training, kept for the report. No run is."""

import math
from typing import Any

from extract.errors import InvalidInputError
from extract.runtime.memory import enough_for
from extract.runtime.typed_json import plain
from pipelines.specs import NetworkSpec
from pipelines.tasks.train import network_inputs
from pipelines.training import processes
from pipelines.training.train_network import LESS_MEMORY
from pipelines.workspace import cache, explorations, records, stored
from pipelines.workspace.context import Context


def find(spec: NetworkSpec, context: Context) -> dict[str, Any]:
    """The test as primitives (`explorations.RangeTestResult`), and the `path` of its file."""
    from finetune.analysis.lr_range_test import find_learning_rate
    from pipelines.training.prepare import prepare

    if processes.count() > 1:
        raise InvalidInputError(
            f"range test must be of one process; got {processes.count()}. Start it without torchrun."
        )
    if spec.mode == "frozen":
        raise InvalidInputError("mode must be one that trains; got 'frozen', which has no rate. Use another --mode.")
    from pipelines.training.results import name

    key, inputs = network_inputs(spec, context)
    with enough_for("training", remedy=LESS_MEMORY):
        ready = prepare(key, inputs)
        found = find_learning_rate(
            *ready.begin(ready.rows),
            recipe=ready.recipe,
            config=ready.train_config,
            progress=lambda done, total: context.progress(done, total, "learning rates"),
        )
    kept = explorations.RangeTestResult(
        name=name(key, dataset=inputs.located.name),
        network=spec.network,
        dataset=inputs.located.name,
        recipe=spec.recipe,
        suggested_learning_rate=found.suggestion,
        recipe_learning_rate=spec.resolved_recipe().learning_rate,
        rates=found.rates,
        losses=[loss if math.isfinite(loss) else None for loss in found.losses],
        created=records.now(),
    )
    cache.make_workspace(context.workspace)
    path = context.workspace / "range-tests" / f"{key.run()}.json"
    stored.write(path, kept)
    return {**plain(kept), "path": str(path)}
