"""Averages of weights."""

import pytest
import torch
from torch import nn

from finetune.training import averaging


def test_the_exponential_average_is_its_formula_and_shows_itself_for_a_while():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    ema = averaging.Ema(network, decay=0.9)
    expected = network[0].weight.detach().clone()
    for done in range(1, 30):
        with torch.no_grad():
            network[0].weight.add_(1.0)
        ema.after_update(done)
        decay = min(0.9, (1 + done) / (10 + done))
        expected = decay * expected + (1 - decay) * network[0].weight.detach()
    own = network[0].weight.detach().clone()
    with ema.shown():
        assert torch.allclose(network[0].weight, expected, atol=1e-4)
    assert torch.equal(network[0].weight, own)
    assert network[1].num_batches_tracked == 0


def test_lookahead_returns_to_its_slow_weights_and_ends_on_them():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    slow, total = 0.0, 10
    ahead = averaging.Lookahead(network, interval=5, total_steps=total)
    for done in range(1, total + 1):
        with torch.no_grad():
            network.weight.add_(1.0)
        fast = network.weight.item()
        ahead.after_update(done)
        if done % 5 == 0:
            hold = 0.95**5 * (done / total) ** 3
            slow = hold * slow + (1 - hold) * fast
            assert network.weight.item() == pytest.approx(slow)
        else:
            assert network.weight.item() == fast
