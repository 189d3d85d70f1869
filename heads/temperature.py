"""Scores that are no logits (cosines, distances, regressions) made into logits: divided by a fitted temperature."""

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import softmax

from heads.metrics import least, row_losses

LIMIT = 50.0  # of a temperature of scores whose spread is 1


def temperature_for(scores: torch.Tensor, targets: torch.Tensor) -> float:
    """The positive number by which `scores` [N, K] must be divided to be the best logits for `targets` [N].

    Best is the least log loss, but no sharper than the rows support: the mean confidence is at most the share of them
    that is right by the rule of succession, and one standard error of the errors more. Rows that are all right would
    have it vanish. The search starts from the spread of the scores within a row, so that their unit does not matter.
    Fit it on rows from which the scores were not learned.
    """
    spread = typical_spread(scores)
    table, labels = (scores / spread).cpu().numpy().astype(np.float64), targets.cpu().numpy()
    best = least(lambda log_temperature: float(row_losses(table, labels, log_temperature).mean()), bound=LIMIT)
    return spread * float(np.exp(max(best, _log_floor(table, labels))))


def _log_floor(table: np.ndarray, labels: np.ndarray) -> float:
    """The logarithm of the temperature at which the mean confidence is the most that the rows support."""
    errors = int((table.argmax(1) != labels).sum())
    most = (len(labels) - errors + 1 + np.sqrt(errors)) / (len(labels) + 2)
    limit = np.log(LIMIT)

    def excess(log_temperature: float) -> float:
        return float(softmax(table * np.exp(-log_temperature), axis=1).max(1).mean()) - most

    if excess(-limit) <= 0:
        return -limit
    return limit if excess(limit) >= 0 else float(brentq(excess, -limit, limit, xtol=1e-6))  # type: ignore[arg-type]


def typical_spread(scores: torch.Tensor) -> float:
    """The root mean square of `scores` [N, K] about the mean of their row; 1 where they are all the same."""
    centered = scores.double() - scores.double().mean(1, keepdim=True)
    spread = float(centered.square().mean().sqrt())
    return spread if np.isfinite(spread) and spread > 0 else 1.0
