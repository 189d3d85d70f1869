"""Newton's method: what is reported and called converged is so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from heads.logistic.head import LogisticHead
from heads.logistic.space import LogisticSpace
from heads.metrics import ROW_LOSS_LIMIT
from heads.protocol import choose
from heads.rows import validation_split
from tests.heads.logistic.reference import standardized


def test_the_reported_gradient_norm_is_the_gradient_s(blobs):
    features, labels = blobs
    head = LogisticHead(0.1, max_iter=1, tolerance=0.0).fit(features, labels)
    deviation = features.astype(np.float64).std(axis=0)
    matrix = standardized(features)
    residual = softmax(features.astype(np.float64) @ head.weights_ + head.bias_, axis=1) - np.eye(4)[labels]
    penalized = matrix.T @ residual / len(labels) + head.weights_ * deviation[:, None] / (0.1 * len(labels))
    largest = max(np.abs(penalized).max(), np.abs(residual.mean(axis=0)).max())
    assert head.gradient_norm_ == pytest.approx(largest, rel=1e-3, abs=1e-12)
    assert not head.converged_
    assert head.n_iter_ <= 1


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.sampled_from(["log_loss", "accuracy"]), st.floats(0.05, 3.0))
@settings(max_examples=15, deadline=None)
def test_what_is_called_converged_has_the_validation_loss_of_an_exact_solver(seed, n_classes, criterion, apart):
    """Wide and narrow features, classes that overlap or lie apart; the reference is scikit-learn's Newton-Cholesky."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(n_classes), rng.integers(0, n_classes, 160)]
    width = int(rng.integers(2, 60))
    centers = apart * rng.normal(size=(n_classes, width))
    features = centers[labels] + rng.normal(size=(len(labels), width)) * rng.uniform(0.1, 10, width)
    grid = tuple(np.logspace(-4, 4, 13))
    choice = choose(LogisticSpace(c_grid=grid), features, labels, validation=60, criterion=criterion)
    keep, hold = validation_split(labels, 60)
    deviation = features[keep].std(axis=0)
    matrix = (features - features[keep].mean(axis=0)) / deviation
    for row in choice.table:
        assert row["rough"] is not row["converged"]
        if row["converged"]:
            model = LogisticRegression(C=row["C"], tol=1e-12, max_iter=500, solver="newton-cholesky")
            chance = model.fit(matrix[keep], labels[keep]).predict_proba(matrix[hold])
            own = -np.log(np.maximum(chance[np.arange(60), labels[hold]], 1e-300))
            assert row["log_loss"] == pytest.approx(np.minimum(own, ROW_LOSS_LIMIT).mean(), abs=1e-4)
