"""Exact L2 multinomial logistic regression: our path solver, with scikit-learn as the reference."""

import functools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from extract.runtime.devices import resolve_device, torch_device
from heads.base import Head, parameter
from heads.design import RowBlocks, standardization
from heads.imbalance.class_weights import RowWeights
from heads.logistic.newton import loss_gradient, penalty_of
from heads.logistic.path import UNMOVED, Path, PathPoint, Start, fit_exact
from heads.logistic.products import forward
from heads.logistic.space import LogisticSpace
from heads.metrics import ROW_LOSS_LIMIT, ValidationScore
from heads.modules import affine
from heads.trials import Candidate, FeatureSplit, Progress

# A point with a validation loss this many times the best is fitted roughly: no rounding makes it the best.
HOPELESS = 1.1
# Points whose validation losses are this near the best are decided between in float64: with bfloat16 passes each of
# two losses errs by up to 1.1e-3 of itself (measured with AMX).
NEAR = 1.003
NEAR_SCORE = 0.003


@dataclass(eq=False, repr=False)
class LogisticHead(Head):
    """Multinomial logistic regression with the exact objective of the project.

    Minimizes mean cross-entropy + ||W||^2 / (2 C n), the bias free, over features standardized by training
    statistics (a constant column keeps scale 1). Two classes are one weight vector w, as in scikit-learn.
    `class_weights` (none, balanced, or a mapping from label to weight) are its `class_weight`: the mean is then
    weighted, and n the sum of the weights.

    `solver`: "path" is ours (Newton-CG, float64 at the end), "sklearn" scikit-learn's L-BFGS in float64.
    `tolerance` bounds the path solver's decrement (about twice the objective still to be gained), and is
    scikit-learn's largest gradient entry; `max_iter` bounds its steps. `device` is auto, cpu or cuda[:N].
    Either way what is kept are two plain arrays (safetensors): no scikit-learn object, so nothing to unpickle.

    Fitted: `weights_` float64 [D, K] and `bias_` float64 [K] for raw features, standardization folded in;
    `gradient_norm_` (largest absolute entry, of the mean objective), `n_iter_`, `converged_`.
    """

    kind = "logistic"
    weight_names = ("weights_", "bias_")

    C: float = parameter(1e-3, above=0)
    _: KW_ONLY
    solver: str = parameter("path", choices=("path", "sklearn"))
    device: str = "cpu"
    class_weights: str | Mapping[Any, float] = "none"
    tolerance: float | None = parameter(None, low=0)
    max_iter: int | None = parameter(None, low=1)

    def _fit(
        self,
        features: torch.Tensor,
        targets: torch.Tensor,
        *,
        n_classes: int,
        class_weights: torch.Tensor | None = None,
    ) -> None:
        device = torch_device(resolve_device(self.device))
        start = self._start if isinstance(self._start, Start) else None
        path = functools.partial(fit_exact, start=start), 1e-14, 100
        fit, tolerance, limit = path if self.solver == "path" else (fit_sklearn, 1e-4, 5000)
        point = fit(
            features.to(device),
            targets.to(device),
            n_classes=n_classes,
            C=float(self.C),
            tolerance=tolerance if self.tolerance is None else self.tolerance,
            limit=limit if self.max_iter is None else self.max_iter,
            class_weights=class_weights,
        )
        self.weights_, self.bias_ = point.weights.cpu().numpy(), point.bias.cpu().numpy()
        self.gradient_norm_, self.n_iter_ = point.gradient_norm, point.iteration_count
        self.converged_ = point.converged

    @classmethod
    def candidates(
        cls, space: LogisticSpace, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        path = Path(_training(split), split.targets, n_classes=split.n_classes, class_weights=split.class_weights)
        if space.solver == "path":
            points = _path_points(path, space, split, criterion)
        else:
            points = _sklearn_points(path, space, split)
        for point, logits in points:
            yield Candidate(
                options={"C": point.C, "solver": space.solver},
                logits=logits.float().cpu().numpy(),
                facts={
                    "gradient_norm": point.gradient_norm,
                    "iterations": point.iteration_count,
                    "passes": point.pass_count,
                    "converged": point.converged,
                    "rough": not point.converged,
                },
                apply=point.logits,
                start=path.start(point),
            )

    def module(self) -> torch.nn.Module:
        return affine(self.weights())  # type: ignore[return-value]


def _training(split: FeatureSplit) -> RowBlocks:
    return RowBlocks(split.rows, torch.float64, split.numbers)


def _validation(split: FeatureSplit) -> RowBlocks:
    return RowBlocks(split.rows, torch.float64, split.validation_numbers)


def _path_points(
    path: Path, space: LogisticSpace, split: FeatureSplit, criterion: str
) -> Iterator[tuple[PathPoint, torch.Tensor]]:
    """Every point of the path and its validation logits; those near the best are refined before they are scored.

    The loss so far says how carefully the next C is fitted. Scored otherwise every point is fitted carefully,
    for one that is hopeless by its loss may still be the most accurate.
    """
    waiting: list[_Look] = []
    best = latest = float("inf")
    for C in space.c_grid:
        hopeless = criterion == "log_loss" and latest > HOPELESS * best
        if hopeless:  # what is near the best is known
            yield from _refined(path, waiting, split, criterion)
            waiting = []
        waiting.append(_look(path.fit(C, careful=not hopeless), split, criterion))
        latest = waiting[-1].log_loss
        best = min(best, latest)
    yield from _refined(path, waiting, split, criterion)


def _sklearn_points(path: Path, space: LogisticSpace, split: FeatureSplit) -> Iterator[tuple[PathPoint, torch.Tensor]]:
    """Every point as scikit-learn's own tolerance leaves it; converged if that is certain enough."""
    for C in space.c_grid:
        point = fit_sklearn(
            split.features,
            split.targets,
            n_classes=split.n_classes,
            C=C,
            tolerance=1e-4,
            limit=5000,
            class_weights=split.class_weights,
        )
        (scored,) = path.refine([point], _validation(split), split.validation_targets, effort=UNMOVED)
        yield replace(point, converged=scored.converged), _look(point, split, "log_loss").logits


@dataclass(frozen=True)
class _Look:
    """A point of the path and what it says of the validation rows: logits float64 [M, K], their loss, and the score by
    the criterion where that is not the loss.
    """

    point: PathPoint
    logits: torch.Tensor
    log_loss: float
    score: float


def _look(point: PathPoint, split: FeatureSplit, criterion: str) -> _Look:
    logits, targets = point.logits(_validation(split)), split.validation_targets
    losses = cross_entropy(logits, targets, reduction="none").clamp(max=ROW_LOSS_LIMIT)
    weights = RowWeights.of(split.class_weights, targets)
    loss = losses.mean() if weights is None else (losses * weights.relative).mean()
    score = 0.0
    if criterion != "log_loss":
        score = getattr(ValidationScore.of(logits.cpu().numpy(), targets.cpu().numpy()), criterion)
    return _Look(point, logits, float(loss), score)


def _refined(
    path: Path, looks: list[_Look], split: FeatureSplit, criterion: str
) -> Iterator[tuple[PathPoint, torch.Tensor]]:
    """Each point of `looks` with its logits; those near the best of them are refined, if there is a choice at all."""
    near = _near(looks, criterion) if len(looks) > 1 else []
    refined = path.refine([look.point for look in near], _validation(split), split.validation_targets)
    better = {point.C: _look(point, split, criterion) for point in refined}
    for look in looks:
        one = better.get(look.point.C, look)
        yield one.point, one.logits


def _near(looks: list[_Look], criterion: str) -> list[_Look]:
    if criterion != "log_loss":
        highest = max((look.score for look in looks), default=0.0)
        return [look for look in looks if look.score >= highest - NEAR_SCORE]
    least = min((look.log_loss for look in looks), default=0.0)
    return [look for look in looks if look.log_loss <= NEAR * least]


def fit_sklearn(
    features: torch.Tensor,
    targets: torch.Tensor,
    *,
    n_classes: int,
    C: float,
    tolerance: float,
    limit: int,
    class_weights: torch.Tensor | None = None,
) -> PathPoint:
    """The same objective by scikit-learn's L-BFGS, float64.

    On a GPU it computes there where scikit-learn's array API dispatch works (from 1.9, with SCIPY_ARRAY_API=1 set
    before scipy is imported, as `pipeline` does), else on the CPU. `tolerance` is scikit-learn's own: the largest
    gradient entry of its objective.
    """
    standard = standardization(features)
    matrix = standard.apply(features, torch.float64)
    weights = None if class_weights is None else dict(enumerate(class_weights.tolist()))
    model = LogisticRegression(C=C, tol=tolerance, max_iter=limit, class_weight=weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` says it
        if matrix.device.type != "cpu" and dispatches():
            with sklearn.config_context(array_api_dispatch=True):
                model.fit(matrix, targets)
        else:
            model.fit(matrix.cpu().numpy(), targets.cpu().numpy())
    coefficients = torch.as_tensor(model.coef_, device=matrix.device).double().T
    intercept = torch.as_tensor(model.intercept_, device=matrix.device).double()
    if n_classes == 2:
        coefficients = torch.cat([-coefficients, coefficients], dim=1) / 2
        intercept = torch.cat([-intercept, intercept]) / 2
    theta = torch.cat([coefficients, intercept[None]])
    weights, bias = standard.fold(theta)
    norm = _gradient_norm(matrix, targets, theta, C=C, weights=RowWeights.of(class_weights, targets))
    count = int(model.n_iter_[0])
    return PathPoint(C, weights, bias, norm, iteration_count=count, pass_count=float(count), converged=count < limit)


def dispatches() -> bool:
    """Whether the installed scikit-learn fits a logistic regression where its tensors are."""
    if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 9):
        return False
    try:
        with sklearn.config_context(array_api_dispatch=True):
            return True
    except (RuntimeError, ImportError):  # scipy was imported without its own support
        return False


def _gradient_norm(
    matrix: torch.Tensor, targets: torch.Tensor, theta: torch.Tensor, *, C: float, weights: RowWeights | None
) -> float:
    gradient = loss_gradient(matrix, forward(matrix, theta).softmax(1), targets, weights)
    gradient[:-1] += penalty_of(C, len(matrix), n_classes=theta.shape[1], weights=weights) * theta[:-1]
    return float(gradient.abs().max())
