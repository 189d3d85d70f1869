"""The loop over batches."""

import pytest

from heads.neural.head import NeuralHead
from heads.neural.space import HeadRecipe


def test_the_automatic_batch_makes_32_to_64_steps_an_epoch():
    for rows in (200, 1000, 5000, 16_000):
        assert 32 <= rows / HeadRecipe().rows_per_step(rows) < 64
    assert HeadRecipe().rows_per_step(3) == 4
    assert HeadRecipe().rows_per_step(10**9) == 512


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_stop_epoch_is_a_prefix_of_the_schedule(hidden, blobs):
    whole = NeuralHead(hidden, epochs=6, batch_size=128).fit(*blobs)
    part = NeuralHead(hidden, epochs=6, batch_size=128, stop_epoch=3).fit(*blobs)
    assert part.n_iter_ == 3
    assert part.curves_["running_training_loss"] == whole.curves_["running_training_loss"][:3]
