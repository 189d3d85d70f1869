"""Linear and multilayer heads."""

import numpy as np
import pytest
import torch

from extract.errors import InvalidInputError
from heads.neural.grid import Rows, train_grid
from heads.neural.head import NeuralHead
from heads.neural.space import Member


@pytest.mark.parametrize("hidden", [(), (12,), (12, 8, 6)])
def test_copies_are_the_mean_of_their_logits_as_one_network(hidden, blobs):
    options = {
        "epochs": 2,
        "batch_size": 64,
        "learning_rate": 1e-2,
        "dropout": 0.2 if hidden else 0.0,
        "input_dropout": 0.2,
    }
    together = NeuralHead(hidden, copies=3, **options).fit(*blobs)
    trained = train_grid(
        Rows(*(torch.from_numpy(array) for array in blobs)),
        members=[Member(hidden, 1e-2, together.weight_decay, copy) for copy in range(3)],
        recipe=together,
        n_classes=4,
        stop_epoch=2,
        seed=0,
    )
    features = torch.from_numpy(blobs[0])
    alone = [one.logits(features).numpy() for one in trained]
    assert hidden == () or not np.allclose(alone[0], alone[1], atol=0.01)
    np.testing.assert_allclose(together.logits(blobs[0]), np.mean(alone, axis=0), atol=1e-5)
    assert together.curves_["running_training_loss"][-1] == pytest.approx(
        np.mean([one.curves["running_training_loss"][-1] for one in trained])
    )


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_a_power_is_that_of_the_features_by_hand(hidden, blobs):
    features, labels = blobs
    bent = np.sign(features) * np.abs(features.astype(np.float64)) ** 0.4
    inside = NeuralHead(hidden, epochs=3, learning_rate=3e-2, power=0.4, batch_size=64).fit(features, labels)
    by_hand = NeuralHead(hidden, epochs=3, learning_rate=3e-2, batch_size=64).fit(bent, labels)
    np.testing.assert_allclose(inside.logits(features), by_hand.logits(bent), rtol=1e-3, atol=1e-3)
    straight = NeuralHead(hidden, epochs=3, learning_rate=3e-2, batch_size=64).fit(features, labels)
    assert np.abs(inside.logits(features) - straight.logits(features)).max() > 0.1


def test_another_seed_is_another_head(blobs):
    first, second = (NeuralHead((16,), epochs=2, seed=seed).fit(*blobs) for seed in (0, 1))
    assert not np.array_equal(first.layers_[0], second.layers_[0])


def test_dropout_and_a_stop_epoch_out_of_range_are_refused(blobs):
    with pytest.raises(InvalidInputError, match="dropout must be 0 for a linear head"):
        NeuralHead(dropout=0.5).fit(*blobs)
    for epoch in (0, 7):
        with pytest.raises(InvalidInputError, match="stop-epoch must be"):
            NeuralHead(epochs=6, stop_epoch=epoch).fit(*blobs)


def test_four_bytes_a_weight_are_kept_and_a_far_offset_costs_nothing(blobs):
    features, labels = blobs
    near = NeuralHead((16,), epochs=3, batch_size=64).fit(features, labels)
    weights = near.weights()
    assert {name: array.dtype for name, array in weights.items() if name.startswith("layer")} == {
        f"layer{index:02d}": np.dtype(np.float32) for index in range(4)
    }
    far = features.astype(np.float64) + 1e6
    moved = NeuralHead((16,), epochs=3, batch_size=64).fit(far, labels)
    np.testing.assert_allclose(moved.logits(far), near.logits(features), atol=1e-3)


def test_a_head_is_equal_to_no_other_and_shows_the_parameters_that_were_given():
    first, second = NeuralHead((8,), learning_rate=0.01), NeuralHead((8,), learning_rate=0.01)
    assert len({first, second}) == 2
    assert first != second
    assert repr(first) == "NeuralHead(hidden=(8,), learning_rate=0.01)"


def test_a_seed_of_numpy_is_that_number(blobs):
    heads = [NeuralHead(epochs=2, seed=seed).fit(*blobs) for seed in (3, np.int64(3), np.uint8(3))]
    for head in heads[1:]:
        np.testing.assert_array_equal(head.logits(blobs[0]), heads[0].logits(blobs[0]))
