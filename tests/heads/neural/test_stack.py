"""Members of a stack learn as they would alone."""

import numpy as np
import pytest
import torch

from heads.neural.space import Member
from heads.neural.stack import dropout_mask
from tests.heads.neural.grids import DEEP, MEMBERS, grid


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd", "label_smoothing": 0.1}, {"dropout": 0.4}], ids=str)
def test_a_member_learns_the_same_in_company_as_alone(changes, parts):
    members = DEEP if "dropout" in changes else MEMBERS + DEEP
    together = grid(parts, members, patience=2, epochs=8, **changes)
    for member, trained in zip(members, together, strict=True):
        alone = grid(parts, [member], patience=2, epochs=8, **changes)[0]
        assert trained.epochs == alone.epochs
        torch.testing.assert_close(trained.validation_logits, alone.validation_logits, atol=1e-4, rtol=1e-4)
        for mine, its in zip(trained.layers, alone.layers, strict=True):
            torch.testing.assert_close(mine, its, atol=1e-4, rtol=1e-4)
        for name, values in alone.curves.items():
            np.testing.assert_allclose(trained.curves[name][: len(values)], values, atol=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_dropout_mask_drops_its_share_and_keeps_the_mean(share):
    mask = dropout_mask(300, 333, share=share, generator=torch.Generator().manual_seed(1))
    assert mask.shape == (300, 333)
    assert float((mask == 0).float().mean()) == pytest.approx(share, abs=0.01)
    assert float(mask.mean()) == pytest.approx(1.0, abs=0.05)
    assert len(mask.unique()) == 2
    again = dropout_mask(300, 333, share=share, generator=torch.Generator().manual_seed(1))
    assert torch.equal(mask, again)


def test_dropout_trains_on_masked_values_and_predicts_on_whole_ones(parts):
    plain, dropped = (grid(parts, [Member((64,), 1e-2, 0.0)], dropout=share, epochs=15)[0] for share in (0.0, 0.7))
    assert dropped.curves["running_training_loss"][-1] > 2 * plain.curves["running_training_loss"][-1]
    assert dropped.curves["validation_accuracy"][-1] > 0.8
