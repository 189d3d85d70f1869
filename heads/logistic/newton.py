"""Preconditioned Newton-CG for the L2 multinomial logistic objective.

The objective is the (weighted) mean cross-entropy + penalty / 2 * ||W||^2 (the bias is free), over theta [D + 1, K]
whose last row is the bias. One step solves the Newton equation by conjugate gradients (Lin, Weng and Keerthi,
"Trust region Newton method for large-scale logistic regression", JMLR 2008). Hessian products tolerate a few per mille
of error, so they use the cheap copy of the features.
"""

from collections import deque
from dataclasses import dataclass, field

import torch

from heads.design import Eigenbasis
from heads.imbalance.class_weights import RowWeights
from heads.logistic.curvature import Curved
from heads.logistic.preconditioner import Preconditioner, Product, Products, kept_count
from heads.logistic.products import Matrix, backward, curved, forward


@dataclass(frozen=True)
class LogisticProblem:
    """Standardized features [N, D] twice, class indices int64 [N], and the gram's eigenbasis.

    `exact` gives gradients and logits, `cheap` Hessian products; they may be the same. What is not held as a tensor is
    made block by block whenever it is read. `sample` is the number of rows that every step draws for its Hessian (None:
    all): of very many rows some are enough (Byrd, Chin, Neveitt and Nocedal, SIAM J. Optim. 2011). `weights` None: all
    rows count the same. `products` gathers the Hessian products of every step.
    """

    exact: Matrix
    cheap: Matrix
    sample: int | None
    targets: torch.Tensor
    n_classes: int
    basis: Eigenbasis
    weights: RowWeights | None = None
    products: Products = field(default_factory=Products)

    def penalty(self, C: float) -> float:
        """The factor of ||W||^2 / 2 that belongs to C."""
        return penalty_of(C, len(self.exact), n_classes=self.n_classes, weights=self.weights)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of theta and of the logits: that of `exact`, but at least float32."""
        return torch.promote_types(self.exact.dtype, torch.float32)

    def preconditioner(self, probabilities: torch.Tensor, penalty: float) -> Preconditioner:
        """Near the inverse Hessian where the rows have these `probabilities` [N, K]."""
        relative = None if self.weights is None else self.weights.relative
        return Preconditioner(self.basis, probabilities, penalty, relative=relative, products=self.products)


def penalty_of(C: float, rows: int, *, n_classes: int, weights: RowWeights | None) -> float:
    """The factor of ||W||^2 / 2 that belongs to C, for so many rows.

    Two classes are one logistic function of one weight vector w, as in scikit-learn. Here that is
    W = (-w/2, w/2), whose square is half of w's, so the factor doubles.
    """
    return (2.0 if n_classes == 2 else 1.0) / (C * (rows if weights is None else weights.total))


@dataclass(frozen=True)
class Iterate:
    """Parameters theta [D + 1, K], their training logits [N, K], and the objective there."""

    theta: torch.Tensor
    logits: torch.Tensor
    value: float


@dataclass(frozen=True)
class Minimum:
    """Result of a minimization: the largest absolute gradient entry says how well.

    `decrement` is g' M^-1 g with the preconditioner M: about twice the objective still to be gained.
    """

    point: Iterate
    gradient_norm: float
    decrement: float
    iteration_count: int
    pass_count: float
    converged: bool


def objective(problem: LogisticProblem, theta: torch.Tensor, logits: torch.Tensor, penalty: float) -> float:
    """Mean cross-entropy + penalty / 2 * ||W||^2 at `theta`, whose training logits are `logits`."""
    own = logits.gather(1, problem.targets[:, None])[:, 0]
    losses = logits.logsumexp(1) - own
    loss = losses.mean() if problem.weights is None else (losses * problem.weights.relative).mean()
    return float(loss + penalty / 2 * theta[:-1].square().sum())


def point_at(problem: LogisticProblem, theta: torch.Tensor, penalty: float) -> Iterate:
    """The point at `theta`, its logits computed with the exact features."""
    logits = forward(problem.exact, theta)
    return Iterate(theta=theta, logits=logits, value=objective(problem, theta, logits, penalty))


@dataclass(frozen=True)
class Effort:
    """Stopping criterion: at a `decrement`, at a largest `gradient` entry, or after `steps` Newton steps.

    `forcing` is the relative residual at which a Newton equation counts as solved near the minimum.
    """

    decrement: float
    gradient: float
    steps: int
    forcing: float

    def residual(self, decrement: float) -> float:
        """What the solution of a Newton equation may leave of a `decrement`.

        Far from the minimum the equation is not true enough to be solved well (Eisenstat and Walker, "Choosing the
        forcing terms in an inexact Newton method", SIAM J. Sci. Comput. 1996), and the last one need not go beyond the
        goal.
        """
        forcing = max(self.forcing, min(0.25, decrement**0.5))
        return max(forcing**2 * decrement, self.decrement / 4)


def minimize(problem: LogisticProblem, start: Iterate, *, penalty: float, effort: Effort) -> Minimum:
    """The minimum for `penalty` from `start`, as good as `effort` asks; if not reached, that is reported."""
    point, passes, iteration = start, 0.0, 0
    while True:
        probabilities = point.logits.softmax(1)
        gradient = _gradient(problem, point, probabilities, penalty)
        precondition = problem.preconditioner(probabilities, penalty)
        decrement, gradient_norm = float((gradient * precondition(gradient)).sum()), float(gradient.abs().max())
        converged = decrement <= effort.decrement or gradient_norm <= effort.gradient
        passes += 0.5
        if converged or iteration == effort.steps:
            break
        step, change, products = _newton_step(
            problem, gradient, probabilities, precondition, penalty, effort.residual(decrement)
        )
        moved = _search_line(problem, point, step, change, slope=float((gradient * step).sum()), penalty=penalty)
        passes += products
        if moved is None:  # the objective cannot fall further in this precision
            break
        point, iteration = moved, iteration + 1
    return Minimum(
        point=point,
        gradient_norm=gradient_norm,
        decrement=decrement,
        iteration_count=iteration,
        pass_count=passes,
        converged=converged,
    )


def loss_error(
    problem: LogisticProblem,
    outcome: Minimum,
    held: Matrix,
    targets: torch.Tensor,
    *,
    penalty: float,
    weights: RowWeights | None = None,
) -> float:
    """About the most by which the mean loss of other rows, `held` [M, D], can differ from that at the minimum.

    To first order the difference is v' H^-1 g, with v the gradient of that loss. By Cauchy and Schwarz it is at most
    the root of v' H^-1 v times the Newton decrement g' H^-1 g (Boyd and Vandenberghe, "Convex optimization", 9.5);
    the preconditioner stands for the Hessian H.
    """
    precondition = problem.preconditioner(outcome.point.logits.softmax(1), penalty)
    slope = loss_gradient(held, forward(held, outcome.point.theta).softmax(1), targets, weights)
    return (float((slope * precondition(slope)).sum()) * outcome.decrement) ** 0.5


def _gradient(problem: LogisticProblem, point: Iterate, probabilities: torch.Tensor, penalty: float) -> torch.Tensor:
    gradient = loss_gradient(problem.exact, probabilities, problem.targets, problem.weights)
    gradient[:-1].add_(point.theta[:-1], alpha=penalty)
    return gradient


def loss_gradient(
    features: Matrix, probabilities: torch.Tensor, targets: torch.Tensor, weights: RowWeights | None
) -> torch.Tensor:
    """The gradient [D + 1, K] of the weighted mean cross-entropy of rows with these probabilities [N, K]."""
    residual = probabilities.clone()
    residual.scatter_add_(1, targets[:, None], residual.new_full((len(residual), 1), -1.0))
    if weights is not None:
        residual.mul_(weights.relative[:, None])
    return backward(features, residual)


def _newton_step(
    problem: LogisticProblem,
    gradient: torch.Tensor,
    probabilities: torch.Tensor,
    precondition: Preconditioner,
    penalty: float,
    goal: float,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """(step [D + 1, K], its change of the logits [N, K], passes used) by preconditioned conjugate gradients.

    They end where the decrement that is left of the quadratic model is at most `goal`.
    """
    step, change = torch.zeros_like(gradient), torch.zeros_like(probabilities)
    residual = -gradient
    scaled = precondition(residual)
    direction, size = scaled, float((residual * scaled).sum())
    weights = None if problem.weights is None else problem.weights.relative
    rows = Curved.needed(problem.cheap, probabilities, weights, count=problem.sample)
    is_changing = problem.exact is rows.features
    found: deque[Product] = deque(maxlen=kept_count(gradient.numel()))
    count = 0
    while count < 100:
        count += 1
        logits, product = curved(rows.features, direction, rows.probabilities, rows.weights)
        product.mul_(rows.share)
        known = Product(direction, product.clone())
        product[:-1].add_(direction[:-1], alpha=penalty)
        curvature = float((direction * product).sum())
        if curvature <= 0:  # rounding has eaten this direction
            break
        found.append(known)
        length = size / curvature
        step.add_(direction, alpha=length)
        if is_changing:
            change.add_(logits, alpha=length)
        residual = residual.sub(product, alpha=length)
        scaled = precondition(residual)
        size, before = float((residual * scaled).sum()), size
        if size <= goal:
            break
        direction = scaled.add(direction, alpha=size / before)
    if not is_changing:
        change = forward(problem.exact, step)
    problem.products.add(found, precondition.level)
    return step, change, count * len(rows.features) / len(problem.exact) + 0.5


def _search_line(
    problem: LogisticProblem,
    point: Iterate,
    step: torch.Tensor,
    change: torch.Tensor,
    *,
    slope: float,
    penalty: float,
) -> Iterate | None:
    """The first point along `step` that lowers the objective enough (Armijo), or None; costs no data pass."""
    rounding = 8 * torch.finfo(problem.dtype).eps * max(abs(point.value), 1e-3)
    for halvings in range(24):
        length = 0.5**halvings
        theta, logits = point.theta.add(step, alpha=length), point.logits.add(change, alpha=length)
        value = objective(problem, theta, logits, penalty)
        if value <= point.value + 1e-4 * length * slope + rounding:
            return Iterate(theta=theta, logits=logits, value=value)
    return None
