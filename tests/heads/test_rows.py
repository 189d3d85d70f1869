"""Training accuracy: of the head that was scored, on a fixed sample of its own training rows, as `score` has it."""

import numpy as np
import pytest
import torch

from heads import registry
from heads.neural.grid import Rows, Validation, train_grid
from heads.neural.space import HeadRecipe, Member
from heads.protocol import choose, refit
from heads.rows import training_sample, validation_split

OPTIONS: dict[str, dict] = {
    "logistic": {"c_grid": [1e-4, 1e-2]},
    "linear": {"learning_rates": [1e-2], "weight_decays": [0.1], "epochs": 6, "mixup": 1.0, "input_dropout": 0.4},
    "mlp": {"learning_rates": [1e-2], "sizes": [32], "epochs": 4, "copies": 2},  # mixup and dropout as they are
    "knn": {"neighbors": [5, 20]},
    "ridge": {"alpha_grid": [1.0, 100.0]},
    "kernel": {"bandwidths": [0.7, 1.4], "alpha_grid": [0.3], "search_rows": 200},
    "centroid": {},
}


@pytest.mark.parametrize(("count", "size"), [(1, 1), (150, 150), (400, 200), (1293, 323), (8000, 2000), (45_000, 2000)])
def test_a_sample_is_small_and_the_same_again(count, size):
    sample = training_sample(count)
    assert len(np.unique(sample)) == size
    assert sample.max() < count
    np.testing.assert_array_equal(sample, training_sample(count))


@pytest.mark.parametrize("kind", registry.kinds())
@pytest.mark.parametrize("views", [1, 2])
def test_the_recorded_accuracy_is_the_score_of_the_judged_head_on_those_rows(kind, views, blobs):
    features, labels = blobs
    both = np.stack([features, features[:, ::-1]][:views])
    space = registry.space(kind, OPTIONS[kind])
    choice = choose(space, both, labels, seed=3)
    keep, _ = validation_split(labels, 0.1, seed=3)
    options = {**choice.options, "views": views} if space.averages_views else choice.options
    head = space.head(options, seed=3, device="cpu")
    head.fit(np.concatenate(both[:, keep]), np.tile(labels[keep], views))
    sample = keep[training_sample(len(keep))]
    assert choice.training_accuracy == pytest.approx(head.score(features[sample], labels[sample]), abs=0.005)
    if choice.curves:
        scored = choice.curves["training_accuracy"][choice.options["stop_epoch"] - 1]
        assert scored == pytest.approx(choice.training_accuracy, abs=0.005 if kind == "linear" else 0.05)


def test_watching_changes_nothing_and_sees_more_than_the_batches_do(blobs):
    features, labels = (torch.from_numpy(np.asarray(part)) for part in blobs)
    rows, held = Rows(features[:450], labels[:450]), Rows(features[450:], labels[450:])
    recipe = HeadRecipe(epochs=5, batch_size=32, dropout=0.5, input_dropout=0.3, mixup=1.0)
    watched = torch.from_numpy(training_sample(450))
    members = [Member((64,), 1e-2, 1e-2), Member((64,), 1e-3, 1e-2)]
    common = {"members": members, "recipe": recipe, "n_classes": 4, "stop_epoch": 5, "seed": 1}
    for plain, seen in zip(
        train_grid(rows, validation=Validation(held), **common),
        train_grid(rows, validation=Validation(held, watched=watched), **common),
        strict=True,
    ):
        assert all(torch.equal(a, b) for a, b in zip(plain.layers, seen.layers, strict=True))
        assert torch.equal(plain.validation_logits, seen.validation_logits)
        assert plain.curves == {name: seen.curves[name] for name in plain.curves}
        assert set(seen.curves) - set(plain.curves) == {"training_loss", "training_accuracy"}
        assert seen.curves["training_accuracy"][-1] > seen.curves["running_training_accuracy"][-1] + 0.1


def test_without_validation_there_are_the_curves_of_the_batches(blobs):
    space = registry.space("linear", {"learning_rates": [1e-2], "weight_decays": [0.1], "epochs": 3})
    _, choice = refit(space, choose(space, *blobs, validation=None), *blobs)
    assert choice.training_accuracy is None
    assert {name: len(values) for name, values in choice.curves.items()} == {
        "running_training_loss": 3,
        "running_training_accuracy": 3,
    }
