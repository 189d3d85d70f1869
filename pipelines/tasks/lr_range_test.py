"""`pipeline train --find-learning-rate`: a range test of a spec's training. Nothing of it is kept."""

from typing import Any

from extract.errors import InvalidInputError
from extract.runtime.memory import enough_for
from pipelines.specs import NetworkSpec
from pipelines.tasks.train import network_inputs
from pipelines.training.train_network import LESS_MEMORY
from pipelines.workspace.context import Context


def find(spec: NetworkSpec, context: Context) -> dict[str, Any]:
    """The test's rates and losses with the suggested rate, as primitives."""
    from finetune.analysis.lr_range_test import find_learning_rate
    from pipelines.training.prepare import prepare

    if spec.mode == "frozen":
        raise InvalidInputError("mode must be one that trains; got 'frozen', which has no rate. Use another --mode.")
    with enough_for("training", remedy=LESS_MEMORY):
        ready = prepare(*network_inputs(spec, context))
        found = find_learning_rate(
            *ready.begin(ready.rows),
            recipe=ready.recipe,
            config=ready.train_config,
            progress=lambda done, total: context.progress(done, total, "learning rates"),
        )
    return {
        "network": spec.network,
        "recipe": spec.recipe,
        "suggested_learning_rate": found.suggestion,
        "recipe_learning_rate": spec.resolved_recipe().learning_rate,
        "rates": found.rates,
        "losses": found.losses,
    }
