"""Parameter groups, what Muon moves, averages, and the range test."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from extract.errors import InvalidInputError
from finetune.analysis import lr_range_test
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training import averaging
from finetune.training.config import TrainConfig
from finetune.training.optimizers import optimizer, parameter_groups
from heads.neural.schedule import schedule


def small(name="resnet20", **options):
    return networks.build(name, class_count=10, image_size=16, options={"depth": 8, "width": 0.5, **options})


def by_parameter(network, **options):
    groups = parameter_groups(network, Recipe(**{"learning_rate": 0.1, "weight_decay": 0.01, **options}))
    return {id(weight): (group["lr"], group["weight_decay"]) for group in groups for weight in group["params"]}


def test_matrices_and_kernels_decay_and_nothing_else_does():
    network = small()
    found = by_parameter(network)
    assert len(found) == len(list(network.parameters()))
    for weight in network.parameters():
        assert found[id(weight)] == (0.1, 0.01 if weight.ndim > 1 else 0.0)


def test_norm_biases_may_move_faster_and_shrink_as_fast_as_weights():
    network = small()
    biases = {id(bias) for bias in networks.bias_parameters(network)}
    assert biases
    for name, weight in network.named_parameters():
        rate, decay = by_parameter(network, bias_lr_scale=64.0, bias_decay=True)[id(weight)]
        if id(weight) in biases:
            assert (rate, rate * decay) == (pytest.approx(6.4), pytest.approx(0.1 * 0.01))
        else:
            assert (rate, decay) == (0.1, 0.01 if weight.ndim > 1 or name.endswith("bias") else 0.0)


def test_frozen_parameters_are_in_no_group_and_layer_decay_slows_early_stages():
    network = small()
    first, last = networks.stages(network)[0][1], networks.classifier(network)
    rates = by_parameter(network, layer_decay=0.5)
    depth = len(networks.stages(network))
    assert {rates[id(weight)][0] for weight in last.parameters()} == {0.1}
    assert all(rates[id(weight)][0] == pytest.approx(0.1 * 0.5**depth) for weight in first.parameters())
    first.requires_grad_(False)
    assert not {id(weight) for weight in first.parameters()} & set(by_parameter(network))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_steps_are_torchs_on_flattened_kernels(layout):
    network = small().to(memory_format=layout)
    recipe = Recipe(optimizer="muon", learning_rate=0.01, weight_decay=0.1)
    reference = copy.deepcopy(network)
    inner = [(name, weight) for name, weight in reference.named_parameters() if weight.ndim > 1][1:-1]
    flat = [nn.Parameter(weight.detach().flatten(1).clone()) for _, weight in inner]
    theirs = torch.optim.Muon(flat, lr=0.01, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    ours = optimizer(network, recipe)
    chance = torch.Generator().manual_seed(0)
    for _ in range(2):
        for weight in network.parameters():
            weight.grad = torch.randn(weight.shape, generator=chance).to(
                memory_format=layout if weight.ndim == 4 else torch.contiguous_format
            )
        for (name, _), one in zip(inner, flat, strict=True):
            one.grad = network.get_parameter(name).grad.flatten(1).clone()
        ours.step()
        theirs.step()
    for (name, _), one in zip(inner, flat, strict=True):
        # its iteration runs in bfloat16, whose rounding depends on the order of the columns
        moved, expected = (
            value - reference.get_parameter(name).flatten(1) for value in (network.get_parameter(name).flatten(1), one)
        )
        assert torch.nn.functional.cosine_similarity(moved.flatten(), expected.flatten(), dim=0) > 0.999
    assert not torch.equal(networks.classifier(network).weight, networks.classifier(reference).weight)
    ours.zero_grad()
    assert all(weight.grad is None for weight in network.parameters())


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


def test_triangular_rises_and_falls_on_lines():
    factor = schedule("triangular", total_steps=10, warmup=0.4)
    assert [round(factor(step), 6) for step in range(10)] == [
        0.2,
        0.4,
        0.6,
        0.8,
        1.0,
        *[round(1 - k / 6, 6) for k in range(1, 6)],
    ]
    assert schedule("triangular", total_steps=10)(3) == 1.0


@pytest.fixture
def images():
    """Two classes that differ in brightness: easy."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    pixels = torch.randint(0, 100, (200, 3, 16, 16), generator=chance) + 100 * labels.view(-1, 1, 1, 1)
    return LabeledImages(pixels.to(torch.uint8), labels)


def test_the_range_test_suggests_a_rate_that_trains_and_leaves_the_network(images):
    network = small()
    before = copy.deepcopy(network.state_dict())
    config = TrainConfig(((0.5,) * 3, (0.25,) * 3), device="cpu")
    found = lr_range_test.find_learning_rate(network, images, recipe=Recipe(batch_size=40), config=config, steps=40)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert len(found.rates) == len(found.losses) <= 40
    ratios = [after / rate for rate, after in zip(found.rates, found.rates[1:], strict=False)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    assert found.rates[0] == 1e-4
    assert 1e-3 < found.suggestion < 5
    with pytest.raises(InvalidInputError, match="learning rates must rise from above 0 in at least 10 steps"):
        lr_range_test.find_learning_rate(network, images, recipe=Recipe(), config=config, lowest=1.0, highest=0.1)


@pytest.mark.parametrize("steepest", [0.01, 0.1])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_smoothing_moves_the_steepest_fall_to_no_other_rate(steepest, noise):
    rates = np.geomspace(1e-4, 10, 100)
    losses = 0.8 + 1.5 / (1 + (rates / steepest) ** 2) + noise * np.random.default_rng(0).normal(size=100)
    losses[-2:] = 30, 300  # training diverges
    found = lr_range_test.suggestion(rates.tolist(), lr_range_test.centred(losses.tolist()))
    assert abs(np.log10(found / steepest)) < 0.11  # two steps


def test_the_suggestion_is_where_losses_fall_fastest_before_their_lowest():
    rates = [10.0**power for power in range(-5, 3)]
    assert lr_range_test.suggestion(rates, [2.3, 2.3, 2.2, 1.6, 1.2, 1.1, 4.0, 9.0]) == 1e-2
    assert lr_range_test.suggestion(rates[:2], [2.3, 9.0]) == rates[0]
