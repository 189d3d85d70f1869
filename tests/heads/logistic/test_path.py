"""Paths of C: many penalties in shared passes."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from heads.design import SMALL_ELEMENT_COUNT
from heads.logistic.head import NEAR, NEAR_SCORE, LogisticHead
from heads.logistic.path import Path
from heads.logistic.problem import ROWS_PER_COLUMN
from heads.logistic.space import C_GRID, LogisticSpace
from heads.metrics import ROW_LOSS_LIMIT
from heads.protocol import choose, fit_head
from heads.rows import validation_split


def test_the_path_is_close_to_the_exact_fits(blobs):
    features, labels = torch.from_numpy(blobs[0]), torch.from_numpy(blobs[1])
    path = Path(features, labels, n_classes=4)
    for point in [path.fit(C) for C in (1e-4, 1e-2, 1.0, 0.1)]:
        exact = LogisticHead(point.C).fit(*blobs)
        np.testing.assert_allclose(
            softmax(blobs[0] @ point.weights.numpy() + point.bias.numpy(), axis=1),
            exact.predict_proba(blobs[0]),
            atol=0.02,
        )


@pytest.mark.parametrize("grid", [(1e-3, 1e2), (1e4,), (1e-3, 1.0, 1e3)])
def test_far_jumps_of_c_are_fitted_to_the_end(grid):
    """A fit that stops early is a more regularized one: it would be chosen for what the kept head is not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 2500)
    features = rng.normal(size=(2500, 120)) + 0.3 * rng.normal(size=(8, 120))[labels]
    _, choice = fit_head("logistic", {"c_grid": grid}, features=features, labels=labels, validation=1000)
    keep, hold = validation_split(labels, 1000)
    heads = [LogisticHead(C).fit(features[keep], labels[keep]) for C in grid]
    own = [log_softmax(head.logits(features[hold]), axis=1)[np.arange(1000), labels[hold]] for head in heads]
    exact = [np.minimum(-one, ROW_LOSS_LIMIT).mean() for one in own]
    np.testing.assert_allclose([row["log_loss"] for row in choice.table], exact, rtol=0.02)
    assert choice.options["C"] == grid[int(np.argmin(exact))]


def test_a_long_path_in_cheap_precision_follows_the_exact_validation_loss():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 12_000)
    features = np.maximum(generator.normal(size=(5, 256))[labels] * 0.15 + generator.normal(size=(12_000, 256)), 0)
    train, held = features[:10_000].astype(np.float16), features[10_000:].astype(np.float16)
    path = Path(torch.from_numpy(train), torch.from_numpy(labels[:10_000]), n_classes=5)
    for index, point in enumerate(path.fit(C) for C in C_GRID[:30]):
        if index % 7 == 0:
            exact = LogisticHead(point.C).fit(train, labels[:10_000])
            logs = log_softmax(held.astype(np.float64) @ point.weights.numpy() + point.bias.numpy(), axis=1)
            best = np.log(exact.predict_proba(held))
            rows = np.arange(2000)
            mine, its = (-table[rows, labels[10_000:]].mean() for table in (logs, best))
            assert mine == pytest.approx(its, rel=NEAR - 1)  # the margin within which points are refined


def test_a_hessian_of_some_of_very_many_rows_leads_to_the_same_head():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 70_000)
    features = (rng.normal(size=(3, 32))[labels] * 0.3 + rng.normal(size=(70_000, 32))).astype(np.float16)
    assert len(labels) > 2 * ROWS_PER_COLUMN * 32
    assert features.size > SMALL_ELEMENT_COUNT
    grid = (1e-3, 1e-1)
    head, choice = fit_head("logistic", {"c_grid": grid}, features=features, labels=labels)
    matrix = (features - features.mean(0, dtype=np.float64)) / features.std(0, dtype=np.float64)
    chance = LogisticRegression(C=choice.options["C"], tol=1e-9, max_iter=500).fit(matrix, labels)
    assert choice.fit_facts["converged"]
    np.testing.assert_allclose(head.predict_proba(features), chance.predict_proba(matrix), atol=1e-6)


def test_where_most_of_very_many_rows_are_sure_a_fit_takes_few_steps():
    """Few rows are then in doubt: a Hessian of evenly drawn ones would miss them, and steps would be many."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 70_000)
    features = (rng.normal(size=(4, 32))[labels] + rng.normal(size=(70_000, 32))).astype(np.float32)
    assert len(labels) > 2 * ROWS_PER_COLUMN * 32
    assert features.size > SMALL_ELEMENT_COUNT
    head = LogisticHead(0.1).fit(features, labels)
    sure = head.predict_proba(features).max(1) > 0.999
    assert 0.8 < sure.mean() < 1
    assert head.converged_
    assert head.n_iter_ < 20


def test_what_is_near_the_best_is_decided_by_exact_fits_on_every_processor():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 5, 9_000)
    features = np.maximum(generator.normal(size=(5, 256))[labels] * 0.15 + generator.normal(size=(9_000, 256)), 0)
    grid = tuple(float(C) for C in np.logspace(-3.5, -1.5, 9))  # as dense as the usual grid, around the best
    keep, hold = validation_split(labels, 0.1)
    assert len(keep) * 256 > SMALL_ELEMENT_COUNT  # so that the passes are bfloat16 where there are units for it
    exact = []
    for C in grid:
        head = LogisticHead(C).fit(features[keep].astype(np.float16), labels[keep])
        logs = np.log(head.predict_proba(features[hold].astype(np.float16)))
        exact.append((-logs[np.arange(len(hold)), labels[hold]].mean(), (logs.argmax(1) == labels[hold]).mean()))
    losses, accuracies = np.transpose(exact)
    for criterion, costs in (("log_loss", losses), ("accuracy", 1 - accuracies)):
        choice = choose(LogisticSpace(c_grid=grid), features.astype(np.float16), labels, criterion=criterion)
        best = int(np.argmin(costs))
        assert [row["C"] for row in choice.table] == list(grid)
        assert choice.options["C"] == grid[best]
        assert choice.table[best]["log_loss"] == pytest.approx(losses[best], rel=NEAR - 1)
        assert choice.table[best]["accuracy"] == pytest.approx(accuracies[best], abs=NEAR_SCORE)


@pytest.mark.parametrize("solver", ["path", "sklearn"])
def test_points_that_are_not_fitted_to_the_end_are_rough(digits, solver):
    features, labels = digits[0][:600], digits[1][:600]
    grid = C_GRID if solver == "path" else C_GRID[16:40:6]
    choice = choose(LogisticSpace(c_grid=grid, solver=solver), features, labels, validation=100)
    converged = {row["C"]: row["converged"] for row in choice.table}
    assert [row["rough"] for row in choice.table] == [not one for one in converged.values()]
    least = min(row["log_loss"] for row in choice.table)
    assert not any(converged[row["C"]] for row in choice.table if row["log_loss"] > 1.1 * least)
    assert converged[choice.options["C"]] is (solver == "path")


def test_one_that_is_alone_near_the_best_is_kept_as_it_was_and_judged(blobs):
    features, labels = blobs
    grid = (1e-4, 1e-2, 100.0)
    table = choose(LogisticSpace(c_grid=grid), features, labels, validation=200).table
    keep, hold = validation_split(labels, 200)
    exact = LogisticHead(1e-2).fit(features[keep], labels[keep])
    logs = log_softmax(exact.logits(features[hold]).astype(np.float64), axis=1)
    off = abs(table[1]["log_loss"] + logs[np.arange(200), labels[hold]].mean())
    assert off > 1e-9  # not refined
    assert off < 1e-4 or table[1]["rough"]
    assert not table[0]["converged"]
    assert not table[2]["converged"]
