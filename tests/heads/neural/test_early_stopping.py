"""Early stopping."""

import numpy as np
import pytest
import torch

from heads.metrics import ROW_LOSS_LIMIT, scores
from heads.neural.grid import Rows
from heads.neural.space import Member
from tests.heads.neural.grids import grid


@pytest.mark.parametrize("criterion", ["log_loss", "accuracy"])
def test_the_best_epoch_s_weights_come_back(criterion, parts):
    members = [Member((64,), 3e-2, 0.0), Member((64,), 1e-4, 0.0), Member((), 1e-2, 0.0)]
    for trained in grid(parts, members, epochs=25, criterion=criterion):
        costs = np.array(trained.curves["validation_loss"])
        if criterion == "accuracy":
            wrong = 1 - np.array(trained.curves["validation_accuracy"])
            costs = np.where(np.isclose(wrong, wrong.min()), costs, np.inf)  # equal accuracies: the least loss
        assert trained.epochs == 1 + int(costs.argmin())
        logits = trained.logits(parts[1].features)
        np.testing.assert_allclose(logits, trained.validation_logits, atol=1e-4)
        scored = scores(trained.validation_logits, parts[1].targets)
        at_best = [trained.curves[f"validation_{name}"][trained.epochs - 1] for name in ("loss", "accuracy")]
        assert at_best == pytest.approx([scored.log_loss, scored.accuracy], abs=1e-5)


def test_overfitting_is_visible_in_the_curves_and_stops(parts):
    trained = grid(parts, [Member((64,), 3e-2, 0.0)], epochs=40, patience=5)[0]
    assert len(trained.curves["running_training_loss"]) == trained.epochs + 5
    assert trained.curves["validation_loss"][-1] > trained.curves["validation_loss"][trained.epochs - 1]
    assert trained.curves["running_training_loss"][-1] < trained.curves["running_training_loss"][trained.epochs - 1]
    assert trained.curves["running_training_accuracy"][-1] > trained.curves["validation_accuracy"][-1]
    assert {len(values) for values in trained.curves.values()} == {trained.epochs + 5}


def test_one_odd_validation_row_does_not_choose_the_epoch(rng):
    features = rng.normal(size=(600, 20)).astype(np.float32)
    labels = (features[:, 0] + rng.normal(size=600) > 0).astype(np.int64)
    features[-1] = 0
    features[-1, 0] = 400 * (1 - 2 * labels[-1])  # far away, on the wrong side
    whole = Rows(torch.from_numpy(features), torch.from_numpy(labels))
    rows = [whole.take(torch.arange(480)), whole.take(torch.arange(480, 600))]
    trained = grid(rows, [Member((), 3e-2, 0.0)], epochs=15)[0]
    clean = grid([rows[0], whole.take(torch.arange(480, 599))], [Member((), 3e-2, 0.0)], epochs=15)[0]
    assert trained.epochs == clean.epochs > 1
    limit = ROW_LOSS_LIMIT / 120
    assert max(trained.curves["validation_loss"]) <= max(clean.curves["validation_loss"]) + limit
