"""Scores that are no logits (cosines, distances, regressions) made into logits: divided by a fitted temperature."""

import numpy as np
import torch

from heads.metrics import fit_temperature


def temperature_for(scores: torch.Tensor, targets: torch.Tensor) -> float:
    """The positive number by which `scores` [N, K] must be divided to be the best logits for `targets` [N].

    Best is the least log loss. The search starts from the spread of the scores within a row, so that their
    unit does not matter. Fit it on rows from which the scores were not learned.
    """
    spread = typical_spread(scores)
    return spread * fit_temperature((scores / spread).cpu().numpy(), targets.cpu().numpy())


def typical_spread(scores: torch.Tensor) -> float:
    """The root mean square of `scores` [N, K] about the mean of their row; 1 where they are all the same."""
    centred = scores.double() - scores.double().mean(1, keepdim=True)
    spread = float(centred.square().mean().sqrt())
    return spread if np.isfinite(spread) and spread > 0 else 1.0
