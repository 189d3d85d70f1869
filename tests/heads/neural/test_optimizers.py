"""Optimizers of stacked networks take torch's own steps, each network at its own rate."""

import pytest
import torch

from heads.neural.optimizers import optimizer

OURS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@pytest.mark.parametrize("name", OURS)
def test_every_slice_of_a_stack_moves_as_torch_moves_it_alone(name):
    rates, decays = torch.tensor([0.1, 0.01]), torch.tensor([0.0, 0.3])
    start = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    stack = start.clone().requires_grad_()
    together = optimizer(name, [(stack, rates[:, None, None], decays[:, None, None])])
    alone = [start[row].clone().requires_grad_() for row in range(2)]
    options = [{"lr": float(rate), "weight_decay": float(decay)} for rate, decay in zip(rates, decays, strict=True)]
    momentum = {"momentum": 0.9} if name == "sgd" else {"betas": (0.9, 0.999)}
    theirs = [OURS[name]([one], **own, **momentum) for one, own in zip(alone, options, strict=True)]
    for _ in range(5):
        (stack**4).sum().backward()
        together.step()
        together.zero_grad()
        for one, own in zip(alone, theirs, strict=True):
            (one**4).sum().backward()
            own.step()
            own.zero_grad()
    torch.testing.assert_close(stack.detach(), torch.stack(alone).detach(), atol=1e-6, rtol=1e-5)
