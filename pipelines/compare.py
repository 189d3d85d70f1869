"""Two runs on the same test images, in pairs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from extract.errors import InvalidInput
from pipelines import records

if TYPE_CHECKING:
    from heads import Comparison

# What may tell why two runs were scored on different images, the first that differs.
REASONS = ("digest", "test_subset", "seed", "on_bad_image")


def compare(workspace: Path, first: str, second: str) -> "Comparison":
    """The paired `heads.Comparison` of run `second` against run `first`.

    Raises `InvalidInput` where the runs failed or were tested on different images.
    """
    import heads

    one, other = (records.read(workspace, run) for run in (first, second))
    logits_one, labels = records.logits(workspace, one["run"])
    logits_other, labels_other = records.logits(workspace, other["run"])
    difference = _difference(one["dataset"], other["dataset"])
    if not difference and one["class_names"] != other["class_names"]:
        difference = "the classes differ"
    if not difference and not np.array_equal(labels, labels_other):
        difference = "the labels differ"
    if difference:
        raise InvalidInput(
            f"runs must have been tested on the same images to be compared in pairs; got {one['run']} and "
            f"{other['run']}: {difference}. Compare their intervals instead, or run one again on the other's images."
        )
    return heads.compare(logits_one, logits_other, labels=labels)


def _difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Why the test images of two runs are not the same; "" where they are."""
    if one.get("test_images") is not None and one.get("test_images") == other.get("test_images"):
        return ""
    if one.get("name") != other.get("name") and one.get("digest") != other.get("digest"):
        return f"the data sets are {one.get('name')!r} and {other.get('name')!r}"
    for key in REASONS:
        if one.get(key) != other.get(key):
            return f"{key.replace('_', ' ')} is {one.get(key)!r} and {other.get(key)!r}"
    return "other files could be read"
