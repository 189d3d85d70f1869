"""A whole path of logistic regressions, and one fitted to full precision, from the same Newton steps.

The path goes from the strongest penalty to the weakest. All of its points share one standardized copy of
the features, one factorisation and one preconditioner; each starts from the linear extrapolation of the
two before it (the warm starts of Friedman, Hastie and Tibshirani, "Regularization paths", JSS 2010, with a
secant predictor over log C).
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from heads.design import (
    Eigenbasis,
    Standardization,
    eigenbasis,
)
from heads.imbalance.class_weights import RowWeights
from heads.logistic.newton import (
    Effort,
    Iterate,
    LogisticProblem,
    Matrix,
    Minimum,
    loss_error,
    minimize,
    objective,
    point_at,
)
from heads.logistic.preconditioner import Products
from heads.logistic.problem import blocks, cheap_problem, matrix, standardized
from heads.logistic.products import forward

# CAREFUL: a first look. Measured on 4,500 and 45,000 x 1280 features, the validation loss is then within 1e-3 of the
# exact fit's; less only chases the rounding of bfloat16. The decrement is relative to the objective where that is less
# than 1.
CAREFUL = Effort(decrement=2e-5, gradient=0.0, steps=4, forcing=0.25)
# ROUGH: for points so much worse than the best that they cannot be chosen; most need no step from the line through two
# neighbors. Measured on 45,000 x 1280 features, the validation loss is 0.5 % too low where it is 1.6 times the best,
# and 9 % where it is 3.4 times the best.
ROUGH = Effort(decrement=2e-4, gradient=3e-4, steps=4, forcing=0.5)
# EXACT: in float64 a validation loss is then within 1e-6 of the exact fit's where the penalty is that of a good head.
EXACT = Effort(decrement=1e-11, gradient=0.0, steps=50, forcing=0.1)
UNMOVED = Effort(decrement=0.0, gradient=0.0, steps=0, forcing=0.1)
# A point counts as fitted to the end where its validation loss is within 1e-4 of the exact fit's. This is the greatest
# `heads.logistic.newton.loss_error` for that: it leaves room for a preconditioner that is only near the Hessian.
LOSS_ERROR = 2e-5


@dataclass(frozen=True)
class PathPoint:
    """One fitted C: weights [D, K] and bias [K] (float64, for raw features), and how well it converged.

    `converged`: of a path, that the validation loss is known to be within 1e-4 of the exact fit's; of `fit_exact` and
    scikit-learn, that the tolerance was met.
    """

    C: float
    weights: torch.Tensor
    bias: torch.Tensor
    gradient_norm: float
    iteration_count: int
    pass_count: float
    converged: bool

    def logits(self, features: Matrix) -> torch.Tensor:
        """float64 [M, K] of raw `features` [M, D]: folded weights cancel large means."""
        return forward(blocks(features), torch.cat([self.weights, self.bias[None]]))


class Path:
    """Fits one C after another to the same features [N, D] and targets int64 [N]; ascending C is fastest.

    The precision is that of a first look (bfloat16 passes where the hardware has them): `refine` decides between points
    that are near, and the head that is kept comes from `fit_exact`. `class_weights` [K] weigh the rows' losses. A
    `basis` of nearly the same rows saves computing theirs, where it spans all columns.
    """

    def __init__(
        self,
        features: Matrix,
        targets: torch.Tensor,
        *,
        n_classes: int,
        class_weights: torch.Tensor | None = None,
        like: "Path | None" = None,
    ) -> None:
        self._rows, self._class_weights = standardized(features), class_weights
        self._standard: Standardization = self._rows.standard  # type: ignore[assignment]
        weights = RowWeights.of(class_weights, targets)
        other = None if like is None else like._solver.problem
        basis = other.basis if other is not None and other.basis.complete else None
        cheap = cheap_problem(self._rows, targets, n_classes=n_classes, basis=basis, weights=weights)
        if other is not None and other.n_classes == n_classes:
            cheap = replace(cheap, products=copy.copy(other.products))
        self._solver = _Follower(cheap)

    def start(self, point: PathPoint) -> "Start":
        """What a fit of the same C to more rows may begin with."""
        return Start(point.weights, point.bias, self._solver.problem.basis, self._solver.problem.products)

    def fit(self, C: float, *, careful: bool = True) -> PathPoint:
        """A first look at the regression at `C`, not called converged; without `careful` the neighbor's may do.

        A fit that stopped early would be a more regularized one than `C` says, so none stops on its steps: they are
        enough between neighbors of a dense grid, and after a far jump it goes on as long as the objective falls.
        """
        outcome = self._solver.fit(C, CAREFUL if careful else ROUGH, to_the_end=True)
        return replace(_path_point(C, outcome, self._standard), converged=False)

    def refine(
        self, points: Sequence[PathPoint], held: Matrix, targets: torch.Tensor, *, effort: Effort = EXACT
    ) -> list[PathPoint]:
        """`points` again, each followed to its minimum in float64: what they say then depends on no processor.

        They count as converged if the loss of the rows `held` [M, D] of class `targets` [M] is then certain enough.
        """
        if not points:
            return []
        problem = replace(self._solver.problem, exact=matrix(self._rows, torch.float64))
        scoring = matrix(replace(blocks(held), standard=self._standard), torch.float64), targets
        return [self._refined(point, problem, scoring, effort) for point in points]

    def _refined(
        self, point: PathPoint, problem: LogisticProblem, scoring: tuple[Matrix, torch.Tensor], effort: Effort
    ) -> PathPoint:
        penalty, weights = problem.penalty(point.C), RowWeights.of(self._class_weights, scoring[1])
        start = point_at(problem, self._standard.unfold(point.weights, point.bias), penalty)
        outcome = minimize(problem, start, penalty=penalty, effort=effort)
        refined = _path_point(point.C, outcome, self._standard)
        return replace(
            refined,
            iteration_count=point.iteration_count + refined.iteration_count,
            pass_count=point.pass_count + refined.pass_count,
            converged=loss_error(problem, outcome, *scoring, penalty=penalty, weights=weights) <= LOSS_ERROR,
        )


@dataclass(frozen=True)
class Start:
    """A solution near the one that is looked for: weights [D, K] and bias [K] for raw features, the eigenbasis of
    nearly the same gram, and products of nearly the same Hessian.
    """

    weights: torch.Tensor
    bias: torch.Tensor
    basis: Eigenbasis
    products: Products


def fit_exact(
    features: torch.Tensor,
    targets: torch.Tensor,
    *,
    n_classes: int,
    C: float,
    tolerance: float,
    limit: int,
    start: Start | None = None,
    class_weights: torch.Tensor | None = None,
) -> PathPoint:
    """The logistic regression at `C` in float64: decrement at most `tolerance`, or `limit` Newton steps.

    `start`, or a short cheap path, leads up to C; float64 gradients with cheap Hessian products then finish it, as in
    iterative refinement. Few features have no use for a start: their solution is the same to the bit with any.
    """
    rows = standardized(features)
    standard: Standardization = rows.standard  # type: ignore[assignment]
    exact = matrix(rows, torch.float64)
    start = None if rows.is_small else start
    basis, weights = None if start is None else start.basis, RowWeights.of(class_weights, targets)
    cheap = cheap_problem(rows, targets, n_classes=n_classes, basis=basis, weights=weights)
    if start is None:
        solver = _Follower(cheap)
        *_, near = (solver.fit(value, CAREFUL).point.theta for value in _ramp(C))
    else:
        near = standard.unfold(start.weights, start.bias)
        cheap = replace(cheap, products=copy.copy(start.products))
    problem = replace(cheap, exact=exact)
    if rows.is_small:
        problem = replace(problem, cheap=exact, basis=eigenbasis(exact, torch.float64))
    penalty = problem.penalty(C)
    effort = Effort(decrement=tolerance, gradient=0.0, steps=limit, forcing=0.03)
    outcome = minimize(problem, point_at(problem, near.double(), penalty), penalty=penalty, effort=effort)
    return _path_point(C, outcome, standard)


class _Follower:
    """Fits C after C, each from what the two fits before it suggest; the first from zero."""

    def __init__(self, problem: LogisticProblem) -> None:
        self.problem = problem
        self._before: tuple[float, Iterate] | None = None
        self._latest: tuple[float, Iterate] | None = None

    def fit(self, C: float, effort: Effort, *, to_the_end: bool = False) -> Minimum:
        """The outcome at `C`, its decrement relative to the objective where that is below 1.

        `to_the_end`: the steps of `effort` are repeated until it has converged by the objective where it ends, or
        another round gains less than the decrement that is asked for promises: rounding may never let it be met.
        """
        problem = self.problem
        penalty = problem.penalty(C)
        start = self._start(C, penalty)
        outcome = self._round(start, penalty, effort)
        fallen = start.value - outcome.point.value
        while (
            to_the_end
            and fallen > effort.decrement * min(outcome.point.value, 1.0) / 2
            and not (outcome.converged and fallen < outcome.point.value)
        ):
            further = self._round(outcome.point, penalty, effort)
            fallen = outcome.point.value - further.point.value
            outcome = replace(
                further,
                iteration_count=outcome.iteration_count + further.iteration_count,
                pass_count=outcome.pass_count + further.pass_count,
            )
        self._before, self._latest = self._latest, (C, outcome.point)
        return outcome

    def _round(self, start: Iterate, penalty: float, effort: Effort) -> Minimum:
        relative = replace(effort, decrement=effort.decrement * min(start.value, 1.0))
        return minimize(self.problem, start, penalty=penalty, effort=relative)

    def _start(self, C: float, penalty: float) -> Iterate:
        """Zero, the latest point, or the line through the last two over log C where that is better."""
        problem = self.problem
        if self._latest is None:
            shape = (problem.exact.shape[1] + 1, problem.n_classes)
            zero = torch.zeros(shape, dtype=problem.dtype, device=problem.targets.device)
            return point_at(problem, zero, penalty)
        last_c, last = self._latest
        stay = Iterate(last.theta, last.logits, objective(problem, last.theta, last.logits, penalty))
        if self._before is None or self._before[0] == last_c:
            return stay
        first_c, first = self._before
        reach = math.log(C / last_c) / math.log(last_c / first_c)
        theta = last.theta + reach * (last.theta - first.theta)
        logits = last.logits + reach * (last.logits - first.logits)
        ahead = Iterate(theta, logits, objective(problem, theta, logits, penalty))
        return ahead if ahead.value < stay.value else stay


def _ramp(C: float) -> list[float]:
    """A few C values that lead up to `C` by factors of ten from 1e-5."""
    values, value = [C], C / 10
    while value > 1e-5:
        values.append(value)
        value /= 10
    return values[::-1]


def _path_point(C: float, outcome: Minimum, standard: Standardization) -> PathPoint:
    weights, bias = standard.fold(outcome.point.theta)
    return PathPoint(
        C=C,
        weights=weights,
        bias=bias,
        gradient_norm=outcome.gradient_norm,
        iteration_count=outcome.iteration_count,
        pass_count=outcome.pass_count,
        converged=outcome.converged,
    )
