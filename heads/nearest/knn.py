"""Nearest neighbors by cosine: they vote, the nearer the more, for every number of them from one search."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from extract.runtime.devices import resolve_device, torch_device
from heads.base import Head, parameter
from heads.design import standardization
from heads.nearest.space import NeighborSpace
from heads.trials import Candidate, FeatureSplit, Progress

# Similarities held at a time: 64 MiB of float32.
BLOCK_ELEMENTS = 1 << 24
# Neighbors looked at beyond those that vote, so that float32 rounding in the search never decides who does.
MARGIN = 8
# Similarities this near to the last that votes may be ties that float32 has split.
ROUNDING = 2e-6


@dataclass(eq=False, repr=False)
class NeighborHead(Head):
    """The classes of the `neighbors` most similar training rows, by cosine (all rows where they are fewer).

    A neighbor of similarity s votes with exp(s / `temperature`), all alike where that is None (Wu et al.,
    "Unsupervised feature learning via non-parametric instance discrimination", CVPR 2018). Probabilities are
    the shares of the votes after one more neighbor, which votes for all classes alike: no class is ever
    impossible, so that the log loss is finite. `centered` subtracts the training mean before the angle is taken.

    Fitted: `examples_` [N, D], the training rows in the precision in which they came; `targets_` int64 [N]; `mean_`
    float64 [D].
    """

    kind = "knn"
    weight_names = ("examples_", "targets_", "mean_")

    neighbors: int = parameter(20, low=1)
    _: KW_ONLY
    temperature: float | None = parameter(0.1, above=0)
    centered: bool = True
    device: str = "cpu"

    def _fit(self, features: torch.Tensor, targets: torch.Tensor, *, n_classes: int) -> None:
        kept = features.float() if features.dtype == torch.bfloat16 else features  # numpy has no bfloat16
        mean = standardization(features).mean
        self.mean_ = (mean if self.centered else torch.zeros_like(mean)).cpu().numpy()
        self.examples_ = kept.cpu().numpy().copy()
        self.targets_ = targets.cpu().numpy()

    def _logits(self, features: torch.Tensor) -> np.ndarray:
        device = torch_device(resolve_device(self.device))
        index = Index(
            torch.from_numpy(self.examples_).to(device),
            torch.from_numpy(self.targets_).to(device),
            mean=torch.from_numpy(self.mean_).to(device),
        )
        found = index.nearest(features.to(device), self.neighbors, exactly=True)
        votes = found.votes([found.count], temperature=self.temperature, n_classes=len(self.classes_))
        return next(votes).cpu().numpy()

    @classmethod
    def candidates(
        cls, space: NeighborSpace, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Many neighbors first; numbers above that of the rows count as all of them."""
        mean = standardization(split.features).mean
        index = Index(split.features, split.targets, mean=mean if space.centered else torch.zeros_like(mean))
        found = index.nearest(split.validation_features, max(space.neighbors))
        counts = sorted({min(count, found.count) for count in space.neighbors})
        trials = []
        for temperature in space.temperatures:
            votes = found.votes(counts, temperature=temperature, n_classes=split.n_classes)
            for count, logits in zip(counts, votes, strict=True):
                options = {"neighbors": count, "temperature": temperature, "centered": space.centered}
                apply = functools.partial(index.votes, count=count, temperature=temperature, n_classes=split.n_classes)
                trials.append(Candidate(options, logits.cpu().numpy(), facts={}, apply=apply))
        yield from sorted(trials, key=lambda trial: -int(trial.options["neighbors"]))  # type: ignore[arg-type]

    def module(self) -> torch.nn.Module:
        return Votes(self)


class Votes(torch.nn.Module):
    """Votes of the most similar examples, all of which are part of the module."""

    mean: torch.Tensor
    bank: torch.Tensor
    members: torch.Tensor

    def __init__(self, head: NeighborHead) -> None:
        super().__init__()
        examples, targets, mean = (torch.from_numpy(array.copy()) for array in head.weights().values())
        self.classes, self.temperature = len(head.classes_), head.temperature
        self.count = min(head.neighbors, len(targets))
        self.register_buffer("mean", mean.double())
        self.register_buffer("bank", normalize(examples.double() - self.mean, dim=1).float().T.contiguous())
        self.register_buffer("members", torch.nn.functional.one_hot(targets, self.classes).float())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        units = normalize(features.double() - self.mean, dim=1).float()
        similarities, places = (units @ self.bank).topk(self.count)
        nearness = similarities - similarities[:, :1]
        weights = torch.ones_like(nearness) if self.temperature is None else (nearness / self.temperature).exp()
        tally = (weights[:, :, None] * self.members[places]).sum(1)
        shares = tally / tally.sum(1, keepdim=True)
        return ((shares * self.count + 1 / self.classes) / (self.count + 1)).log().double()


@dataclass(frozen=True)
class Neighbors:
    """The nearest examples of M rows, nearest first: similarities float32 [M, k] and classes int64 [M, k]."""

    similarities: torch.Tensor
    classes: torch.Tensor

    @property
    def count(self) -> int:
        """k."""
        return self.classes.shape[1]

    def votes(self, counts: Sequence[int], *, temperature: float | None, n_classes: int) -> Iterator[torch.Tensor]:
        """Log probabilities float32 [M, K] for each of the ascending `counts` of neighbors."""
        nearness = self.similarities - self.similarities[:, :1]  # cannot overflow; shares stay the same
        weights = torch.ones_like(nearness) if temperature is None else (nearness / temperature).exp()
        tally = weights.new_zeros(len(weights), n_classes)
        done = 0
        for count in counts:
            tally = tally + _tally(self.classes[:, done:count], weights[:, done:count], n_classes=n_classes)
            done = count
            shares = tally / tally.sum(1, keepdim=True)
            yield ((shares * count + 1 / n_classes) / (count + 1)).log()


class Index:
    """Examples [N, D] with class indices int64 [N], seen from `mean` [D], that answers which are nearest."""

    def __init__(self, examples: torch.Tensor, targets: torch.Tensor, *, mean: torch.Tensor) -> None:
        self._mean, self._targets = mean, targets
        self._units = self._directions(examples)

    def nearest(self, queries: torch.Tensor, count: int, *, exactly: bool = False) -> Neighbors:
        """The `count` nearest examples (all, where they are fewer) of every row of `queries` [M, D].

        `exactly` takes the similarities of the nearest in float64, rounded once: one image then has the same
        neighbors alone and in a batch. Of equally near examples the first count.
        """
        total = len(self._targets)
        count = min(count, total)
        looked_at = min(count + MARGIN, total)
        similarities, places = [], []
        for block in queries.split(max(BLOCK_ELEMENTS // total, 1)):
            units = self._directions(block)
            table = units @ self._units.T
            values, indices = table.topk(looked_at)
            last = values[:, count - 1] - ROUNDING
            tied = (values[:, -1] >= last).nonzero()[:, 0] if looked_at < total else last.new_empty(0).long()
            if exactly:
                values, indices = self._refined(units, indices)
            values, indices = values[:, :count], indices[:, :count]
            for row in tied.tolist():  # more are as near as the last than were looked at
                values[row], indices[row] = self._nearest_of(units[row], table[row] >= last[row], count)
            similarities.append(values)
            places.append(indices)
        return Neighbors(torch.cat(similarities), self._targets[torch.cat(places)])

    def votes(self, queries: torch.Tensor, *, count: int, temperature: float | None, n_classes: int) -> torch.Tensor:
        """Log probabilities float32 [M, K] by the `count` nearest; an example that is asked for is among its own."""
        found = self.nearest(queries, count, exactly=True)
        return next(found.votes([found.count], temperature=temperature, n_classes=n_classes))

    def _refined(self, units: torch.Tensor, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(similarities, indices) [M, k] of the examples at `indices`: nearest first, of equals the first first."""
        indices = indices.sort(1).values
        parts = [
            torch.einsum("bd,bkd->bk", rows.double(), self._units[near].double())
            for rows, near in zip(units.split(64), indices.split(64), strict=True)
        ]
        values, order = torch.cat(parts).float().sort(dim=1, descending=True, stable=True)
        return values, indices.gather(1, order)

    def _nearest_of(self, unit: torch.Tensor, among: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The `count` nearest of `unit` [D] (similarities, indices) where `among` [N] is true, in the same order."""
        indices = among.nonzero()[:, 0]
        values = torch.cat([self._units[part].double() @ unit.double() for part in indices.split(8192)]).float()
        values, order = values.sort(descending=True, stable=True)
        return values[:count], indices[order[:count]]

    def _directions(self, rows: torch.Tensor) -> torch.Tensor:
        wide = torch.promote_types(rows.dtype, torch.float32)  # a large offset goes before anything is rounded
        return normalize(rows.to(wide) - self._mean.to(wide), dim=1).float()


def _tally(classes: torch.Tensor, weights: torch.Tensor, *, n_classes: int) -> torch.Tensor:
    """The sum of `weights` float32 [M, k] for every class of `classes` int64 [M, k]: float32 [M, K].

    A GPU would scatter in no fixed order, and so round differently from one time to the next; there it is a sum.
    """
    tally = weights.new_zeros(len(weights), n_classes)
    if not weights.is_cuda:
        return tally.scatter_add(1, classes, weights)
    return _summed(classes, weights, tally)


def _summed(classes: torch.Tensor, weights: torch.Tensor, tally: torch.Tensor) -> torch.Tensor:
    """`tally` [M, K] with the votes added, class by class, in float64."""
    for k in range(tally.shape[1]):
        tally[:, k] = weights.double().mul(classes == k).sum(1)
    return tally
