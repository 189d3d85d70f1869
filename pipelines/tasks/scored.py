"""What a record says of the logits of a run's test images, whatever gave them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import heads
from pipelines.tasks import misclassified


def on_test(
    logits: np.ndarray,
    labels: np.ndarray,
    *,
    ids: Sequence[str],
    class_names: Sequence[str],
    temperature: float | None,
    averaged: np.ndarray | None,
) -> dict[str, Any]:
    """Scores of `logits` [N, K] as they are, at the `temperature`, and of those `averaged` over views; what is wrong.

    Columns and `labels` [N] index the `class_names`. What is not given is None, the average then left out.
    """
    views = {} if averaged is None else {"test_tta": heads.scores(averaged, labels).as_dict()}
    scaled = None if temperature is None else heads.scores(logits, labels, temperature=temperature).calibration()
    return {
        "test": heads.scores(logits, labels).as_dict(),
        "test_scaled": scaled,
        "temperature": temperature,
        "mistakes": misclassified.listed(logits, labels, ids=ids, class_names=class_names),
        **views,
    }
