"""Runs against one on the same test images, in pairs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from extract.data.walk import a_few
from extract.errors import InvalidInputError
from pipelines.workspace import records
from pipelines.workspace.schema import SUBSETS, DoneRecord

if TYPE_CHECKING:
    from heads import Comparison

# What may tell why two runs were scored on different images, the first that differs.
REASONS = (SUBSETS[1], "seed", "on_bad_image")


def compare(workspace: Path, first: str, others: Sequence[str]) -> "list[Comparison]":
    """The paired `heads.Comparison` of each other run against run `first`.

    The p-values and intervals of several are corrected for their number (`heads.statistics.paired_together`). Raises
    `InvalidInputError` where the runs failed or were tested on different images.
    """
    import heads
    from heads.statistics import paired_together

    kept = [_kept(workspace, first, other) for other in others]
    found = [heads.compare(logits, other, labels=labels) for logits, other, labels in kept]
    correct = [tuple(one.argmax(1)[None] == labels for one in pair) for *pair, labels in kept]
    corrected = paired_together([(one, other) for one, other in correct])
    return [
        dataclasses.replace(one, interval=paired.interval, p_value=paired.p_value)
        for one, paired in zip(found, corrected, strict=True)
    ]


def _kept(workspace: Path, first: str, second: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(logits of the first run, logits of the second, labels) of the test images of both."""
    one, other = (records.done(workspace, run) for run in (first, second))
    logits_one, labels = records.logits(workspace, one.run)
    logits_other, labels_other = records.logits(workspace, other.run)
    difference = _difference(one, other)
    if not difference and one.class_names != other.class_names:
        difference = "the classes differ"
    if not difference and not np.array_equal(labels, labels_other):
        difference = "the labels differ"
    if difference:
        raise InvalidInputError(
            f"runs must have been tested on the same images to be compared in pairs; got {one.run} and "
            f"{other.run}: {difference}. Compare their intervals instead, or run one again on the other's images."
        )
    return logits_one, logits_other, labels


def _difference(first: DoneRecord, second: DoneRecord) -> str:
    """Why the test images of two runs are not the same; "" where they are."""
    one, other = first.dataset, second.dataset
    if first.is_scored_like(second):
        return ""
    if one.name != other.name and one.digest != other.digest:
        return f"the data sets are {one.name!r} and {other.name!r}"
    if alone := sorted({*first.class_names} ^ {*second.class_names}):
        return f"only one of them has the classes {a_few(alone)}"
    if one.digest != other.digest:
        return f"the images of {one.name!r} are others"
    for name in REASONS:
        if (was := getattr(one, name)) != (now := getattr(other, name)):
            return f"{name.replace('_', ' ')} is {was!r} and {now!r}"
    return "other files could be read"
