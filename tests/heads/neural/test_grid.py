"""Stacked networks: torch's own training as the reference, and what stacking and stopping promise."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from heads.neural.early_stopping import Rows
from heads.neural.grid import Grid
from heads.neural.space import HeadRecipe, Member
from heads.neural.stack import BatchedMLP
from tests.heads.neural.grids import BASE, DEEP, MEMBERS, grid


def torch_reference(rows, member, recipe, network):
    """Logits of `network` trained on whole batches by torch.optim, from the weights it has."""
    mean, deviation = rows.features.double().mean(0), rows.features.double().std(0, correction=0)
    matrix = ((rows.features - mean) / deviation).float()
    weights = [p for p in network.parameters() if p.ndim == 2]
    biases = [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": member.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    rate, momentum = member.learning_rate, recipe["momentum"]
    if recipe["optimizer"] == "sgd":
        optimizer = torch.optim.SGD(groups, lr=rate, momentum=momentum)
    else:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe["optimizer"]]
        optimizer = kind(groups, lr=rate, betas=(momentum, 0.999))
    epochs = recipe["epochs"]
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        optimizer.zero_grad()
        cross_entropy(network(matrix), rows.targets, label_smoothing=recipe["label_smoothing"]).backward()
        optimizer.step()
    return network(matrix).detach().numpy()


def network_of(hidden, seed=0):
    """A torch network with the initial weights that a stack draws for `seed`."""
    sizes = (20, *hidden, 4)
    stack = BatchedMLP(
        sizes,
        member_count=1,
        dropout=0.0,
        generator=torch.Generator().manual_seed(seed),
        device=torch.device("cpu"),
    )
    layers = []
    for weight, width, out in zip(stack.weights, sizes[:-1], sizes[1:], strict=True):
        layer = torch.nn.Linear(width, out)
        layer.weight.data = weight.detach().reshape(width, out).T.clone()
        layer.bias.data.zero_()
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("members", [MEMBERS, DEEP], ids=["linear", "mlp"])
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "adam"},
        {"optimizer": "adamw"},
        {"optimizer": "adamw", "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_every_member_learns_what_torch_s_own_optimizer_learns(changes, members, parts):
    recipe = {**BASE, "epochs": 25, "batch_size": 450, **changes}
    for member, trained in zip(members, grid(parts, members, held=False, **recipe), strict=True):
        expected = torch_reference(parts[0], member, recipe, network_of(member.hidden))
        logits = trained.logits(parts[0].features)
        np.testing.assert_allclose(logits, expected, atol=2e-4)


def test_the_first_training_loss_is_that_of_no_knowledge_and_smoothing_does_not_color_it(parts):
    for smoothing in (0.0, 0.3):
        curves = grid(parts, [MEMBERS[0]], batch_size=450, label_smoothing=smoothing)[0].curves
        assert curves["running_training_loss"][0] == pytest.approx(math.log(4))


def test_mixup_trains_on_blends(blobs):
    features, labels = (torch.from_numpy(np.asarray(part)) for part in blobs)
    recipe = HeadRecipe(**BASE, mixup=0.7)
    grid = Grid(Rows(features, labels), members=[Member((8,), 1e-3, 0.0)], recipe=recipe, n_classes=4, seed=3)
    seen = list(grid.batches(0))
    shares = np.array([batch.share for batch in seen])
    assert (shares >= 0.5).all()
    assert len(set(shares)) == len(shares)
    for batch, again in zip(seen, grid.batches(0), strict=True):
        assert torch.equal(batch.features, again.features)
        assert batch.partners is not None
        for row, target, partner in zip(batch.features, batch.targets, batch.partners, strict=True):
            ours, theirs = (features[labels == label] for label in (target, partner))
            blends = batch.share * ours[:, None] + (1 - batch.share) * theirs
            assert (blends - row).abs().amax(2).min() < 1e-5
    first = seen[0]
    loss = grid.loss(first).loss.item()
    logits = grid.stacks[0].logits(first.features, first.masks[0])[0]
    by_target = [cross_entropy(logits, targets).item() for targets in (first.targets, first.partners)]
    assert loss == pytest.approx(first.share * by_target[0] + (1 - first.share) * by_target[1], rel=1e-5)
