"""Scores of a run's test images in its record, computed from their logits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

import heads
from extract.data.near_copies import rows_without

LISTED_ERRORS = 50


def on_test(
    logits: np.ndarray,
    labels: np.ndarray,
    *,
    ids: Sequence[str],
    class_names: Sequence[str],
    temperature: float | None,
    averaged: np.ndarray | None,
    dataset: Mapping[str, Any],
) -> dict[str, object]:
    """Scores of `logits` [N, K] as they are, at the `temperature`, and of those `averaged` over views; the mistakes.

    Columns and `labels` [N] index the `class_names`. What is not given is None, the average then left out. `dataset`
    are the fields of a record's: of CIFAR-10 the score without near-copies is there too.
    """
    views = {} if averaged is None else {"test_tta": heads.scores(averaged, labels).as_dict()}
    scaled = None if temperature is None else heads.scores(logits, labels, temperature=temperature).calibration()
    return {
        "test": heads.scores(logits, labels).as_dict(),
        **_without_near_copies(logits, labels, ids=ids, dataset=dataset),
        "test_scaled": scaled,
        "temperature": temperature,
        "mistakes": [
            {"id": ids[row], "true": class_names[labels[row]], "predicted": class_names[said], "probability": share}
            for row, said, share in most_confident_errors(logits, labels, count=LISTED_ERRORS)
        ],
        **views,
    }


def _without_near_copies(
    logits: np.ndarray, labels: np.ndarray, *, ids: Sequence[str], dataset: Mapping[str, Any]
) -> dict[str, object]:
    rows = rows_without(ids, dataset=dataset["name"], digest=dataset["digest"], classes=dataset.get("classes"))
    if rows is None or not len(rows):
        return {}
    return {"test_without_near_copies": heads.scores(logits[rows], labels[rows]).as_dict()}


def most_confident_errors(logits: np.ndarray, labels: np.ndarray, *, count: int) -> list[tuple[int, int, float]]:
    """(row, class said, its probability) of the `count` rows with the greatest probability of a wrong class."""
    probabilities = softmax(logits, axis=1)
    said = probabilities.argmax(axis=1)
    confidence = np.where(said == labels, -1.0, probabilities.max(axis=1))
    order = np.argsort(-confidence, kind="stable")[:count]
    return [(int(row), int(said[row]), float(confidence[row])) for row in order if confidence[row] > 0]
