"""`pipeline train --find-learning-rate`: a range test of a spec's training. Nothing of it is kept."""

from pathlib import Path
from typing import Any

from extract.errors import InvalidInputError
from extract.runtime.memory import enough_for
from pipelines.specs import NetworkSpec
from pipelines.tasks import stages
from pipelines.training.train_network import LESS_MEMORY
from pipelines.workspace.context import Context


def find(spec: NetworkSpec, context: Context, *, plot: Path | None = None) -> dict[str, Any]:
    """The test's rates and losses with the suggested rate, as primitives; drawn into `plot` where it is given."""
    from pipelines.training import running

    if spec.mode == "frozen":
        raise InvalidInputError("mode must be one that trains; got 'frozen', which has no rate. Use another --mode.")
    if plot is not None:
        from pipelines.report.charts import rates

        rates.check(plot)
    with enough_for("training", remedy=LESS_MEMORY):
        found = running.prepared(*stages.network_inputs(spec, context)).range_test()
    if plot is not None:
        rates.draw(plot, rates=found.rates, losses=found.losses, suggested=found.suggestion)
    return {
        "network": spec.network,
        "recipe": spec.recipe,
        "suggested_learning_rate": found.suggestion,
        "recipe_learning_rate": spec.whole_recipe().learning_rate,
        "rates": found.rates,
        "losses": found.losses,
        "plot": None if plot is None else str(plot),
    }
