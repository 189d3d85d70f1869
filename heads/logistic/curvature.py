"""The rows from which a Hessian product is computed: those in which the probabilities can still move."""

from dataclasses import dataclass

import torch

from heads.design import SMALL_ELEMENT_COUNT, RowBlocks
from heads.logistic.products import Matrix


@dataclass(frozen=True)
class Curved:
    """The rows that a Hessian product needs: those in which the probabilities can still move.

    A row of curvature 1 - sum p^2 near zero adds nothing. Rows that together have less than a hundredth of all
    curvature are left out, where that saves half of them or more (`of`). `share` times a product of these rows is that
    of all: it is the share of the rows that stay, or of the rows `drawn` by their curvature the mean of that.
    """

    features: Matrix
    probabilities: torch.Tensor
    weights: torch.Tensor | None
    share: float

    @classmethod
    def needed(
        cls, features: Matrix, probabilities: torch.Tensor, weights: torch.Tensor | None, *, count: int | None
    ) -> "Curved":
        """`drawn`, where a `count` is given and the rows are not held in memory; else `of`."""
        if count is None or isinstance(features, torch.Tensor):
            return cls.of(features, probabilities, weights)
        return cls.drawn(features, probabilities, weights, count=count)

    @classmethod
    def of(cls, features: Matrix, probabilities: torch.Tensor, weights: torch.Tensor | None) -> "Curved":
        curvature = 1 - probabilities.square().sum(1)
        if weights is not None:
            curvature = curvature * weights
        ordered, order = curvature.sort()
        dropped = int((ordered.cumsum(0) < 0.01 * ordered.sum()).sum())
        if dropped < len(features) / 2 or features.shape[0] * features.shape[1] < SMALL_ELEMENT_COUNT:
            return cls(features, probabilities, weights, share=1.0)
        stay = order[dropped:].sort().values
        taken = features[stay] if isinstance(features, torch.Tensor) else features.take(stay)
        kept = None if weights is None else weights[stay]
        return cls(taken, probabilities[stay], kept, share=len(stay) / len(features))

    @classmethod
    def drawn(
        cls, features: RowBlocks, probabilities: torch.Tensor, weights: torch.Tensor | None, *, count: int
    ) -> "Curved":
        """`count` rows, each as often as its share of all curvature says, so that every one counts about the same.

        Drawn evenly, few would be in doubt once most rows are sure of their class. The same draws at every step.
        """
        curvature = (1 - probabilities.square().sum(1)).clamp_(min=1e-6)
        sums = (curvature if weights is None else curvature * weights).cumsum(0, dtype=torch.float64)
        places = torch.arange(count) + torch.rand(count, generator=torch.Generator().manual_seed(0))
        rows = torch.searchsorted(sums, places.to(sums) * (sums[-1] / count)).clamp_(max=len(sums) - 1)
        mean = float(sums[-1]) / len(sums)
        return cls(features.take(rows).held(), probabilities[rows], 1 / curvature[rows], share=mean)
