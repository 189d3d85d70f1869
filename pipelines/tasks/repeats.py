"""One head fitted several times, each with a seed of its own: how far the scores spread."""

from collections.abc import Sequence

from pipelines.workspace.schema import DoneRecord


def summary(records: Sequence[DoneRecord], *, first_seed: int) -> dict[str, object]:
    """The runs, their seeds and accuracies, and the spread of those: mean, deviation, least and greatest.

    `drawn` is what the seeds draw beside the validation images. Where that is nothing the deviation is None: that of
    the validation images alone is no spread of the method.
    """
    import heads

    accuracies = [record.test.accuracy for record in records]
    drawn = list(heads.space_class(records[0].head or "").drawn)
    spread = heads.spread(accuracies)
    return {
        "seeds": [first_seed + repeat for repeat in range(len(records))],
        "runs": [record.run for record in records],
        "test_accuracies": accuracies,
        "drawn": drawn,
        **(spread if drawn else {**spread, "deviation": None}),
    }
