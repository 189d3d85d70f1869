"""Early stopping."""

import numpy as np
import pytest
import torch

from heads.metrics import scores
from heads.neural.ensemble import network_logits
from heads.neural.grid import Rows, Validation, train_grid
from heads.neural.space import Member, Recipe

BASE = {
    "optimizer": "adamw",
    "momentum": 0.9,
    "schedule": "cosine",
    "warmup": 0.0,
    "epochs": 6,
    "batch_size": 64,
    "dropout": 0.0,
    "label_smoothing": 0.0,
}


@pytest.fixture
def parts(blobs):
    """(training rows [450], validation rows [150]) of the blobs."""
    features, labels = torch.from_numpy(blobs[0]), torch.from_numpy(blobs[1])
    return Rows(features[:450], labels[:450]), Rows(features[450:], labels[450:])


def grid(parts, members, *, seed=0, held=True, patience=None, criterion="log_loss", **changes):
    """`train_grid` of a recipe with `changes`."""
    recipe = Recipe(**{**BASE, **changes})
    return train_grid(
        parts[0],
        validation=Validation(parts[1], criterion=criterion, patience=patience) if held else None,
        members=members,
        recipe=recipe,
        class_count=4,
        stop_epoch=recipe.epochs,
        seed=seed,
    )


@pytest.mark.parametrize("criterion", ["log_loss", "accuracy"])
def test_the_best_epoch_s_weights_come_back(criterion, parts):
    members = [Member((64,), 3e-2, 0.0), Member((64,), 1e-4, 0.0), Member((), 1e-2, 0.0)]
    for trained in grid(parts, members, epochs=25, criterion=criterion):
        costs = np.array(trained.curves["validation_loss"])
        if criterion == "accuracy":
            wrong = 1 - np.array(trained.curves["validation_accuracy"])
            costs = np.where(np.isclose(wrong, wrong.min()), costs, np.inf)  # equal accuracies: the least loss
        assert trained.epochs == 1 + int(costs.argmin())
        logits = network_logits(trained.layers, parts[1].features, standard=trained.standard)
        np.testing.assert_allclose(logits, trained.validation_logits, atol=1e-4)
        judged = scores(trained.validation_logits, parts[1].targets)
        at_best = [trained.curves[f"validation_{name}"][trained.epochs - 1] for name in ("loss", "accuracy")]
        assert at_best == pytest.approx([judged.log_loss, judged.accuracy], abs=1e-5)


def test_overfitting_is_visible_in_the_curves_and_stops(parts):
    trained = grid(parts, [Member((64,), 3e-2, 0.0)], epochs=40, patience=5)[0]
    assert len(trained.curves["running_training_loss"]) == trained.epochs + 5
    assert trained.curves["validation_loss"][-1] > trained.curves["validation_loss"][trained.epochs - 1]
    assert trained.curves["running_training_loss"][-1] < trained.curves["running_training_loss"][trained.epochs - 1]
    assert trained.curves["running_training_accuracy"][-1] > trained.curves["validation_accuracy"][-1]
    assert {len(values) for values in trained.curves.values()} == {trained.epochs + 5}
