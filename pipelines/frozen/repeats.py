"""One head fitted several times, each with a seed of its own: how far the scores spread."""

from collections.abc import Sequence
from typing import Any


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
