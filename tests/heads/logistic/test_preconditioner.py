"""What known Hessian products make of an approximate inverse: the updates of BFGS, symmetric and positive."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heads.design import Eigenbasis
from heads.logistic import preconditioner
from heads.logistic.newton import Effort, LogisticProblem, minimize, point_at
from heads.logistic.path import Path
from heads.logistic.preconditioner import Preconditioner, Product, Products

WIDTH, CLASSES = 6, 3
SHAPE = (WIDTH + 1, CLASSES)
PENALTY = 0.1
LEVEL = (1 - 1 / CLASSES) / CLASSES  # p (1 - p) where all classes are as likely


def hessian(rng: np.random.Generator, *, spread: float = 1.5) -> np.ndarray:
    """A symmetric, positive matrix over the entries of theta that leaves sums over classes at zero where they are."""
    center = np.kron(np.eye(WIDTH + 1), np.eye(CLASSES) - 1 / CLASSES)
    root = rng.normal(size=(center.shape[0], center.shape[0])) @ np.diag(10 ** rng.uniform(-spread, 0, len(center)))
    return center @ root @ root.T @ center + 0.1 * center


def product(matrix: np.ndarray, direction: torch.Tensor) -> Product:
    image = torch.from_numpy(matrix @ direction.flatten().numpy()).view_as(direction)
    return Product(direction, image)


def penalized(one: Product) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The direction, the Hessian with the penalty times it, and the curvature along it."""
    image = one.product.clone()
    image[:-1] += PENALTY * one.direction[:-1]
    return one.direction, image, float((one.direction * image).sum())


def drawn(rng: np.random.Generator) -> torch.Tensor:
    value = torch.from_numpy(rng.normal(size=SHAPE))
    return value - value.mean(1, keepdim=True)


def inverse(rng: np.random.Generator, products: Products) -> Preconditioner:
    vectors, _ = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))
    basis = Eigenbasis(torch.from_numpy(vectors), torch.from_numpy(rng.uniform(0.1, 2, WIDTH)), complete=True)
    probabilities = torch.full((20, CLASSES), 1 / CLASSES, dtype=torch.float64)
    return Preconditioner(basis, probabilities, PENALTY, relative=None, products=products)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_it_is_the_recursion_of_limited_memory_bfgs(seed, count):
    """Nocedal and Wright, "Numerical optimization", algorithm 7.4; products of Hessians that are not the same."""
    rng, products = np.random.default_rng(seed), Products()
    plain = inverse(np.random.default_rng(seed), Products())
    found = [product(hessian(rng), drawn(rng)) for _ in range(count)]
    products.add(found[: count // 2], LEVEL)
    products.add(found[count // 2 :], LEVEL)
    gradient = drawn(rng)
    left, shares = gradient.clone(), []
    for direction, image, curvature in reversed([penalized(one) for one in found]):
        shares.append(float((direction * left).sum()) / curvature)
        left -= shares[-1] * image
    expected = plain(left)
    for (direction, image, curvature), share in zip(map(penalized, found), reversed(shares), strict=True):
        expected += (share - float((image * expected).sum()) / curvature) * direction
    got = inverse(np.random.default_rng(seed), products)(gradient)
    assert torch.allclose(
        got, expected, rtol=0, atol=2e-4 * float(expected.abs().max())
    )  # products are kept in float32


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_it_is_symmetric_positive_and_exact_along_the_last_direction(seed, count):
    rng, products = np.random.default_rng(seed), Products()
    found = [product(hessian(rng), drawn(rng)) for _ in range(count)]
    products.add(found, LEVEL)
    improved = inverse(rng, products)
    one, other = drawn(rng), drawn(rng)
    there, back = float((other * improved(one)).sum()), float((one * improved(other)).sum())
    size = float((one * improved(one)).sum()) * float((other * improved(other)).sum())
    assert there == pytest.approx(back, abs=1e-4 * size**0.5)
    assert float((one * improved(one)).sum()) > 0
    direction, image, _ = penalized(found[-1])
    assert torch.allclose(improved(image), direction, rtol=0, atol=1e-3 * float(direction.abs().max()))


def test_the_latest_products_stay_and_memory_is_bounded(monkeypatch):
    rng, all_of_them, latest = np.random.default_rng(0), Products(), Products()
    matrix = hessian(rng)
    found = [product(matrix, drawn(rng)) for _ in range(9)]
    monkeypatch.setattr(preconditioner, "NUMBER_COUNT", 4 * found[0].direction.numel())
    for start in range(0, 9, 3):
        all_of_them.add(found[start : start + 3], LEVEL)
    latest.add(found[-4:], LEVEL)
    assert len(all_of_them) == len(latest) == 4
    gradient = drawn(rng)
    same = [inverse(np.random.default_rng(1), products)(gradient) for products in (all_of_them, latest)]
    assert torch.equal(*same)
    assert preconditioner.kept_count(10**9) == 0


def test_products_of_a_far_point_are_not_used():
    rng, products = np.random.default_rng(0), Products()
    products.add([product(hessian(rng), drawn(rng))], LEVEL / 3)
    gradient = drawn(rng)
    plain, far = (inverse(np.random.default_rng(1), these)(gradient) for these in (Products(), products))
    assert torch.equal(plain, far)
    products.add([product(hessian(rng), drawn(rng))], LEVEL / 1.5)
    assert not torch.equal(plain, inverse(np.random.default_rng(1), products)(gradient))


def test_a_path_like_one_that_ended_with_another_penalty_is_not_misled():
    """Random classes: the probabilities hardly move, so that all products are near."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(4000, 600)) * np.geomspace(1, 0.01, 600)).float()
    targets = torch.from_numpy(rng.integers(0, 10, 4000))
    path = Path(features, targets, n_classes=10)
    for C in (0.1, 1.0, 1e5):
        path.fit(C)
    alone, after = (Path(features, targets, n_classes=10, like=other).fit(1e-6) for other in (None, path))
    assert after.pass_count <= 2 * alone.pass_count


def test_a_solve_of_nearly_the_same_problem_reads_the_rows_less_often():
    """What the products are for: a path, in which one minimum lies near the next."""
    rng = np.random.default_rng(0)
    features, targets = torch.from_numpy(rng.normal(size=(600, 40))), torch.from_numpy(rng.integers(0, 5, 600))
    features[torch.arange(600), targets] += 4
    values, vectors = torch.linalg.eigh(features.T @ features / 600)
    basis, effort = Eigenbasis(vectors, values, complete=True), Effort(1e-12, 0.0, steps=50, forcing=0.03)
    first = LogisticProblem(features, features, None, targets, 5, basis)
    start = point_at(first, torch.zeros(41, 5).double(), 1.2e-4)
    start = minimize(first, start, penalty=1.2e-4, effort=effort).point
    without = minimize(replace(first, products=Products()), start, penalty=1e-4, effort=effort)
    outcome = minimize(first, start, penalty=1e-4, effort=effort)
    assert outcome.converged
    assert without.converged
    # Each is above the minimum by about half of its decrement, which the preconditioner tells to within its own error.
    assert outcome.point.value == pytest.approx(without.point.value, abs=1e-11)
    assert outcome.pass_count < 0.9 * without.pass_count
