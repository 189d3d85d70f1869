"""The nearest class mean, by angle or by distance, its means optionally shrunk."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from heads.base import Head, parameter
from heads.design import standardization
from heads.nearest.space import CentroidSpace
from heads.temperature import temperature_for, typical_spread
from heads.trials import Candidate, FeatureSplit, Primitive, Progress

BLOCK_ROWS = 4096


@dataclass(eq=False, repr=False)
class CentroidHead(Head):
    """The class whose mean is nearest.

    `metric` euclidean is the distance of raw features, as in scikit-learn's NearestCentroid; cosine is the
    angle as seen from the mean of all training rows. `shrinkage` moves the class means towards that mean by
    soft thresholding, as `shrink_threshold` there (Tibshirani et al., "Nearest shrunken centroids", PNAS
    2002). Logits are cosines, or negative squared distances, over `temperature`; None fits it to the
    training rows, each scored against its class mean without itself.

    Fitted: `mean_` [D], `centroids_` [K, D], both float64, and `temperature_`.
    """

    kind = "centroid"
    weight_names = ("mean_", "centroids_", "temperature_")

    metric: str = parameter("cosine", choices=("cosine", "euclidean"))
    _: KW_ONLY
    shrinkage: float = parameter(0.0, low=0)
    temperature: float | None = parameter(None, above=0)

    def _fit(self, features: torch.Tensor, targets: torch.Tensor, *, n_classes: int) -> None:
        means = Means.of(features, targets.to(features.device), n_classes=n_classes)
        self.mean_ = means.overall.cpu().numpy()
        self.centroids_ = means.shrunk(self.shrinkage).cpu().numpy()
        given = self.temperature
        fitted = means.temperature(self.metric, shrinkage=self.shrinkage) if given is None else given
        self.temperature_ = np.float64(fitted)

    @classmethod
    def candidates(
        cls, space: CentroidSpace, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Each metric and shrinkage with the temperature that suits the validation rows best.

        Rows that show no spread within a class, as one row a class, cannot tell shrinkages apart: the least is tried.
        """
        means = Means.of(split.features, split.targets, n_classes=split.n_classes)
        shrinkages = sorted(space.shrinkages, reverse=True) if means.spread.any() else [min(space.shrinkages)]
        for shrinkage, metric in itertools.product(shrinkages, space.metrics):
            apply = functools.partial(
                similarities, centroids=means.shrunk(shrinkage), mean=means.overall, metric=metric
            )
            scores = apply(split.validation_features)
            temperature = temperature_for(scores, split.validation_targets)
            options: dict[str, Primitive] = {"metric": metric, "shrinkage": shrinkage, "temperature": temperature}
            yield Candidate(options, (scores / temperature).float().cpu().numpy(), facts={}, apply=apply)

    def module(self) -> torch.nn.Module:
        return Similarities(self)


class Similarities(torch.nn.Module):
    """Features [N, D] -> `similarities` to the class means over the temperature, float64 [N, K]."""

    mean: torch.Tensor
    centroids: torch.Tensor

    def __init__(self, head: CentroidHead) -> None:
        super().__init__()
        self.metric, self.temperature = head.metric, float(head.temperature_)
        self.register_buffer("mean", torch.from_numpy(head.mean_))
        self.register_buffer("centroids", torch.from_numpy(head.centroids_))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        found = similarities(features, self.centroids, mean=self.mean, metric=self.metric)
        return found / self.temperature


def similarities(features: torch.Tensor, centroids: torch.Tensor, *, mean: torch.Tensor, metric: str) -> torch.Tensor:
    """float64 [N, K]: cosines as seen from `mean` [D], or negative squared distances but for a term of the row."""
    wide = features.double()
    if metric == "cosine":
        return normalize(wide - mean, dim=1) @ normalize(centroids - mean, dim=1).T
    return 2 * (wide - mean) @ (centroids - mean).T - (centroids - mean).square().sum(1)


@dataclass(frozen=True)
class Means:
    """Class means [K, D] of `features` [N, D] with what shrinking needs: row counts [K], spread [D] within classes."""

    features: torch.Tensor
    targets: torch.Tensor
    overall: torch.Tensor
    classes: torch.Tensor
    counts: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, features: torch.Tensor, targets: torch.Tensor, *, n_classes: int) -> "Means":
        """The class means of `features` [N, D] and class indices int64 [N]."""
        counts = torch.bincount(targets, minlength=n_classes).double()
        sums = torch.zeros(n_classes, features.shape[1], dtype=torch.float64, device=features.device)
        for block, own in zip(features.split(BLOCK_ROWS), targets.split(BLOCK_ROWS), strict=True):
            sums.index_add_(0, own, block.double())
        means = sums / counts[:, None]
        overall = standardization(features).mean
        squares = torch.zeros_like(overall)
        for block, own in zip(features.split(BLOCK_ROWS), targets.split(BLOCK_ROWS), strict=True):
            squares += (block.double() - means[own]).square_().sum(0)
        spread = (squares / max(len(features) - n_classes, 1)).sqrt_()
        return cls(features, targets, overall=overall, classes=means, counts=counts, spread=spread)

    def shrunk(self, shrinkage: float) -> torch.Tensor:
        """The class means after soft thresholding at `shrinkage` standard errors."""
        return self._thresholded(self.classes, shrinkage, counts=self.counts)

    def _thresholded(self, means: torch.Tensor, shrinkage: float, *, counts: torch.Tensor) -> torch.Tensor:
        """`means` [M, D], each of as many rows as `counts` [M] says, moved towards the mean of all rows."""
        if not shrinkage:
            return means
        errors = (1 / counts - 1 / len(self.features)).sqrt()[:, None] * (self.spread + self._middle())
        deviations = means - self.overall
        return self.overall + deviations.sign() * (deviations.abs() - shrinkage * errors).clamp_(min=0)

    def _middle(self) -> float:
        return float(np.median(self.spread.cpu().numpy()))  # the mean of the middle two; torch takes the lower

    def temperature(self, metric: str, *, shrinkage: float = 0.0) -> float:
        """The temperature for scores of the training rows, each with its class mean taken, and shrunk, without it."""
        centroids, scores, keep = self.shrunk(shrinkage), [], []
        for block, own in zip(self.features.split(BLOCK_ROWS), self.targets.split(BLOCK_ROWS), strict=True):
            table = similarities(block, centroids, mean=self.overall, metric=metric)
            left = self.counts[own][:, None]
            fewer = (left - 1).clamp(min=1)
            others = (left * self.classes[own] - block.double()) / fewer
            others = self._thresholded(others, shrinkage, counts=fewer[:, 0])
            table[torch.arange(len(own)), own] = _paired(block.double(), others, mean=self.overall, metric=metric)
            scores.append(table)
            keep.append(left[:, 0] > 1)
        table, usable = torch.cat(scores), torch.cat(keep)
        return temperature_for(table[usable], self.targets[usable]) if bool(usable.any()) else typical_spread(table)


def _paired(rows: torch.Tensor, centroids: torch.Tensor, *, mean: torch.Tensor, metric: str) -> torch.Tensor:
    """`similarities` of row i with centroid i only, [N]."""
    rows, centroids = rows - mean, centroids - mean
    if metric == "cosine":
        return (normalize(rows, dim=1) * normalize(centroids, dim=1)).sum(1)
    return 2 * (rows * centroids).sum(1) - centroids.square().sum(1)
