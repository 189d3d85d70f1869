"""How far an answer can be trusted: calibrated probabilities, sets with a stated coverage, what is like nothing seen.

They go by the validation images of the run, of which it kept logits, and for heads a sample of training features; sets
of a logistic head by what all training images say of themselves out of fold.
"""

import functools
from dataclasses import dataclass

import numpy as np

from extract.errors import InvalidInputError
from heads.trust import conformal
from heads.trust.novelty import UNLIKE, Reference
from pipelines.workspace import records
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord


@dataclass(frozen=True)
class Novelty:
    """How unlike the training images an image is.

    `distance` is that of its features to their nearest, `farther_than` the share of the validation images that are
    nearer to them. It `is_unlike` anything seen where that share is at least `heads.trust.novelty.UNLIKE`.
    """

    distance: float
    farther_than: float

    @property
    def is_unlike(self) -> bool:
        """Whether it is farther from the training images than nearly all validation images."""
        return self.farther_than >= UNLIKE


def probabilities(logits: np.ndarray, *, divisor: float) -> np.ndarray:
    """float64 [N, K]: the softmax of `logits` [N, K] over a temperature."""
    scaled = logits.astype(np.float64) / divisor
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def least_probability(record: DoneRecord, context: Context, *, coverage: float, divisor: float) -> float:
    """The probability from which a class belongs to a set with this `coverage` (`heads.trust.conformal`).

    By all training images, each by a head that did not learn from it, where the run kept that; else by the validation
    images. Raises `InvalidInputError` where it kept neither.
    """
    read = functools.partial(records.arrays, context.workspace, record.run)
    if records.OUT_OF_FOLD_NAME in record.files:
        name = "plain" if divisor == 1 else "calibrated"
        return conformal.least_probability(read(records.OUT_OF_FOLD_NAME, names=(name,))[name], coverage=coverage)
    if records.VALIDATION_NAME not in record.files:
        raise InvalidInputError(
            f"run must have kept its validation images' logits for --coverage; got {record.run}, which "
            f"{'had none' if record.validation is None else 'was made before they were kept'}. "
            "Fit it with --validation 0.1 in a new workspace, or leave --coverage out."
        )
    kept = read(records.VALIDATION_NAME, names=("logits", "labels"))
    shares = probabilities(kept["logits"], divisor=divisor)
    return conformal.least_probability(shares[np.arange(len(shares)), kept["labels"]], coverage=coverage)


def reference(record: DoneRecord, context: Context) -> Reference | None:
    """The sample of training features that a run kept; None where it kept none."""
    if records.REFERENCE_NAME not in record.files:
        return None
    names = tuple(Reference.__dataclass_fields__)
    return Reference.from_arrays(records.arrays(context.workspace, record.run, records.REFERENCE_NAME, names=names))


def novelty(found: Reference | None, features: np.ndarray | None) -> list[Novelty | None] | None:
    """How unlike the images of `features` [N, D] are; None where the run cannot say."""
    if found is None or features is None:
        return None
    distances = found.distances_of(features)
    shares = found.farther_than(distances)
    return None if shares is None else [Novelty(float(a), float(b)) for a, b in zip(distances, shares, strict=True)]
