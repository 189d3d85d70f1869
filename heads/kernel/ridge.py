"""Ridge regression onto the classes: closed form, every penalty from one factorisation."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import torch

from extract.runtime.devices import resolve_device, torch_device
from heads.base import Head, parameter
from heads.design import Eigenbasis, Standardization, eigenbasis, standardization
from heads.imbalance.class_weights import RowWeights
from heads.kernel.space import RidgeSpace
from heads.modules import affine
from heads.temperature import temperature_for
from heads.trials import Candidate, FeatureSplit, Primitive, Progress


@dataclass(eq=False, repr=False)
class RidgeHead(Head):
    """Least squares of +1 for the own class and -1 for the others, with a penalty on the weights.

    Minimizes ||Y - XW - b||^2 + `alpha` ||W||^2 over features standardized by training statistics, the
    intercept free: scikit-learn's RidgeClassifier after its StandardScaler. The scores become logits by
    division with `temperature`; None fits it to the exact leave-one-out scores of the training rows, which
    cost no refit (Allen's PRESS, Technometrics 1974).

    `class_weights` (none, balanced, or a mapping from label to weight) weigh the squares of the rows, as
    RidgeClassifier's `class_weight`; the standardization does not have them.

    Fitted: `weights_` float64 [D, K] and `bias_` [K] give logits for raw features, standardization and
    temperature folded in; `temperature_`.
    """

    kind = "ridge"
    weight_names = ("weights_", "bias_")

    alpha: float = parameter(1e3, above=0)
    _: KW_ONLY
    temperature: float | None = parameter(None, above=0)
    device: str = "cpu"
    class_weights: str | Mapping[Any, float] = "none"

    def _fit(
        self,
        features: torch.Tensor,
        targets: torch.Tensor,
        *,
        n_classes: int,
        class_weights: torch.Tensor | None = None,
    ) -> None:
        alpha = float(self.alpha)
        device = torch_device(resolve_device(self.device))
        weights = RowWeights.of(class_weights, targets.to(device))
        factors = Factors.of(features.to(device), targets.to(device), n_classes=n_classes, weights=weights)
        theta = factors.theta(alpha)
        if self.temperature is None:
            self.temperature_ = temperature_for(factors.left_out_scores(alpha), targets)
        else:
            self.temperature_ = float(self.temperature)
        weights, bias = factors.standard.fold(theta / self.temperature_)
        self.weights_, self.bias_ = weights.cpu().numpy(), bias.cpu().numpy()

    @classmethod
    def candidates(
        cls, space: RidgeSpace, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Each penalty with the temperature that suits the validation rows best."""
        weights = RowWeights.of(split.class_weights, split.targets)
        factors = Factors.of(split.features, split.targets, n_classes=split.n_classes, weights=weights)
        projected = factors.standard.apply(split.validation_features, torch.float64) @ factors.basis.vectors
        for alpha in space.alpha_grid:
            scores = projected @ factors.coordinates(alpha) + factors.offset
            temperature = temperature_for(scores, split.validation_targets)
            logits = (scores / temperature).float().cpu().numpy()
            options: dict[str, Primitive] = {"alpha": alpha, "temperature": temperature}
            yield Candidate(options, logits, facts={}, apply=functools.partial(factors.scores, alpha))

    def module(self) -> torch.nn.Module:
        return affine(self.weights())  # type: ignore[return-value]


@dataclass(frozen=True)
class Factors:
    """Factors that all penalties share: standardized features X float64 [N, D] with the eigenbasis V of their gram.

    `signs` are the targets Y [N, K], `offset` [K] their means, `right` V'X'Y / N [R, K]. With `weights` all means are
    weighted, that of the features too.
    """

    standard: Standardization
    matrix: torch.Tensor
    basis: Eigenbasis
    signs: torch.Tensor
    offset: torch.Tensor
    right: torch.Tensor
    weights: RowWeights | None = None

    @classmethod
    def of(
        cls, features: torch.Tensor, targets: torch.Tensor, *, n_classes: int, weights: RowWeights | None = None
    ) -> "Factors":
        """The factors of `features` [N, D] and class indices int64 [N]."""
        standard = standardization(features)
        matrix = standard.apply(features, torch.float64)
        signs = torch.nn.functional.one_hot(targets, n_classes).double() * 2 - 1
        offset, weighted, pulled = signs.mean(0), matrix, signs
        if weights is not None:
            share, root = weights.relative / len(matrix), weights.relative.sqrt()[:, None]
            standard = replace(standard, mean=standard.mean + standard.scale * (share @ matrix))
            matrix = standard.apply(features, torch.float64)
            offset, weighted, pulled = share @ signs, matrix * root, signs * root
        basis = eigenbasis(weighted, torch.float64)
        right = basis.vectors.T @ (weighted.T @ pulled) / len(matrix)
        return cls(standard, matrix, basis, signs=signs, offset=offset, right=right, weights=weights)

    def coordinates(self, alpha: float) -> torch.Tensor:
        """The weights at `alpha` in the eigenbasis, [R, K]."""
        return self.right / (self.basis.values[:, None] + self._penalty(alpha))

    def _penalty(self, alpha: float) -> float:
        return alpha / (len(self.matrix) if self.weights is None else self.weights.total)

    def theta(self, alpha: float) -> torch.Tensor:
        """Weights and, in the last row, intercepts [D + 1, K] for standardized features."""
        return torch.cat([self.basis.vectors @ self.coordinates(alpha), self.offset[None]])

    def scores(self, alpha: float, features: torch.Tensor) -> torch.Tensor:
        """The scores [M, K] of `features` [M, D] at `alpha`."""
        theta = self.theta(alpha)
        return torch.addmm(theta[-1], self.standard.apply(features, torch.float64), theta[:-1])

    def left_out_scores(self, alpha: float) -> torch.Tensor:
        """The scores [N, K] that every training row would get from a fit to all the others."""
        rows = len(self.matrix)
        shrunk = 1 / (self.basis.values + self._penalty(alpha))
        scores, leverages = torch.empty_like(self.signs), self.signs.new_empty(rows)
        for part, block in zip(torch.arange(rows).split(4096), self.matrix.split(4096), strict=True):
            projected = block @ self.basis.vectors
            scores[part] = projected @ self.coordinates(alpha) + self.offset
            leverages[part] = (1 + projected.square() @ shrunk) / rows
        if self.weights is not None:
            leverages *= self.weights.relative
        own = leverages.clamp(max=1 - 1e-9)[:, None]
        return (scores - own * self.signs) / (1 - own)
