"""The test images that a run is most confidently wrong about: which, by the files' names, and what it said."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

KEPT = 50  # of them stand in a record


def most_confident(logits: np.ndarray, labels: np.ndarray, *, count: int) -> list[tuple[int, int, float]]:
    """(row, class said, its probability) of the `count` rows with the greatest probability of a wrong class."""
    probabilities = softmax(logits, axis=1)
    said = probabilities.argmax(axis=1)
    confidence = np.where(said == labels, -1.0, probabilities.max(axis=1))
    order = np.argsort(-confidence, kind="stable")[:count]
    return [(int(row), int(said[row]), float(confidence[row])) for row in order if confidence[row] > 0]


def listed(
    logits: np.ndarray, labels: np.ndarray, *, ids: Sequence[str], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """The `mistakes` of a record. Columns of `logits` [N, K] and `labels` [N] index the `class_names`."""
    return [
        {"id": ids[row], "true": class_names[labels[row]], "predicted": class_names[said], "probability": probability}
        for row, said, probability in most_confident(logits, labels, count=KEPT)
    ]
