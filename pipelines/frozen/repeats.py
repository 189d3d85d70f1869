"""One head fitted several times, each with a seed of its own, and how far the scores spread."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from extract.errors import InvalidInput
from pipelines import stages
from pipelines.context import Context
from pipelines.specs import HeadSpec


def fit(spec: HeadSpec, context: Context, *, features_path: Path, count: int) -> list[dict[str, Any]]:
    """The records of `count` runs of a head with the seeds `spec.seed`, `spec.seed` + 1, ..., each cached by itself."""
    if count < 1:
        raise InvalidInput(f"seeds must be at least 1; got {count}.")
    specs = [replace(spec, seed=spec.seed + repeat) for repeat in range(count)]
    return [stages.fit_head(one, context, features_path=features_path) for one in specs]


def summary(records: Sequence[dict[str, Any]], *, first_seed: int) -> dict[str, Any]:
    """The runs, their seeds and accuracies, and the spread of those: mean, deviation, least and greatest."""
    import heads

    accuracies = [record["test_accuracy"] for record in records]
    return {
        "seeds": [first_seed + repeat for repeat in range(len(records))],
        "runs": [record["run"] for record in records],
        "test_accuracies": accuracies,
        **heads.spread(accuracies),
    }
