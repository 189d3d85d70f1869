"""Ridge heads against scikit-learn, and the leave-one-out shortcut against really leaving one out."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.preprocessing import StandardScaler

from extract.errors import InvalidInputError
from heads.kernel.ridge import Factors, RidgeHead
from heads.kernel.space import RidgeSpace
from heads.metrics import scores
from heads.protocol import fit_head
from heads.rows import validation_split

ALPHAS = (1e-2, 1.0, 1e3, 1e6)


def wide(blobs):
    """More columns than rows."""
    return np.tile(blobs[0][:60], (1, 5)) + np.random.default_rng(0).normal(size=(60, 100)), blobs[1][:60]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_scores_are_scikit_learn_s(alpha, digits, blobs):
    for features, labels in (digits, wide(blobs), (digits[0], (digits[1] > 4).astype(int))):
        matrix = StandardScaler().fit_transform(features)
        theirs = RidgeClassifier(alpha=alpha, solver="svd").fit(matrix, labels).decision_function(matrix)
        ours = RidgeHead(alpha, temperature=1.0).fit(features, labels).logits(features)
        ours = ours if theirs.ndim == 2 else ours[:, 1]
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_left_out_scores_are_those_of_refits_without_the_row(blobs):
    features, labels = blobs[0][:40].astype(np.float64), blobs[1][:40]
    factors = Factors.of(torch.from_numpy(features), torch.from_numpy(labels), n_classes=4)
    matrix, signs = StandardScaler().fit_transform(features), np.eye(4)[labels] * 2 - 1
    alone = np.empty((40, 4))
    for row in range(40):
        rest = np.arange(40) != row
        alone[row] = Ridge(alpha=5.0).fit(matrix[rest], signs[rest]).predict(matrix[row : row + 1])[0]
    np.testing.assert_allclose(factors.left_out_scores(5.0).numpy(), alone, atol=1e-9)


def test_every_row_of_the_table_is_that_ridge_on_the_kept_rows(digits):
    features, labels = digits
    _, choice = fit_head("ridge", {"alpha_grid": ALPHAS}, features=features, labels=labels, seed=3)
    keep, hold = validation_split(labels, 0.1, seed=3)
    assert [row["alpha"] for row in choice.table] == sorted(ALPHAS, reverse=True)
    for row in choice.table:
        head = RidgeHead(row["alpha"], temperature=row["temperature"]).fit(features[keep], labels[keep])
        scored = scores(head.logits(features[hold]), labels[hold])
        assert (row["log_loss"], row["accuracy"]) == pytest.approx((scored.log_loss, scored.accuracy), rel=1e-5)


def test_the_fitted_temperature_gives_a_log_loss_that_means_something(digits):
    features, labels = digits
    head = RidgeHead(10.0).fit(features[:1000], labels[:1000])
    fitted = scores(head.logits(features[1000:]), labels[1000:])
    plain = scores(head.logits(features[1000:]) * head.temperature_, labels[1000:])
    assert fitted.accuracy == plain.accuracy
    assert fitted.log_loss < 0.5 * plain.log_loss


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan"), float("inf"), "many"])
def test_alpha_must_be_positive_and_finite(alpha, blobs):
    with pytest.raises(InvalidInputError, match="alpha must be"):
        RidgeHead(alpha).fit(*blobs)
    with pytest.raises(InvalidInputError, match="alpha-grid must be"):
        RidgeSpace(alpha_grid=(1.0, alpha))
    with pytest.raises(InvalidInputError, match="alpha-grid must be at least one"):
        RidgeSpace(alpha_grid=())
