"""The learning-rate range test."""

import copy

import numpy as np
import pytest
import torch

from extract.errors import InvalidInputError, TransferBenchError
from finetune.analysis import lr_range_test
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig


def small(name="resnet20", **options):
    return networks.build(name, n_classes=10, image_size=16, options={"depth": 8, "width": 0.5, **options})


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


def test_a_batch_in_parts_has_the_losses_of_the_whole_and_no_larger_part_is_computed(images):
    config = TrainConfig(((0.5,) * 3, (0.25,) * 3), device="cpu")
    network, found, sizes = small(norm="group"), [], []
    hook = network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    for accumulate in (1, 4):
        recipe = Recipe(batch_size=40, accumulate=accumulate, precision="float32")
        found.append(lr_range_test.find_learning_rate(network, images, recipe=recipe, config=config, steps=12).losses)
    hook.remove()
    assert set(sizes) == {40, 10}
    assert found[1][:5] == pytest.approx(found[0][:5], rel=1e-3)  # later, rates are so high that rounding grows


@pytest.mark.parametrize("steepest", [0.01, 0.1])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_smoothing_moves_the_steepest_fall_to_no_other_rate(steepest, noise):
    rates = np.geomspace(1e-4, 10, 100)
    losses = 0.8 + 1.5 / (1 + (rates / steepest) ** 2) + noise * np.random.default_rng(0).normal(size=100)
    losses[-2:] = 30, 300  # training diverges
    found = lr_range_test.suggestion(rates.tolist(), lr_range_test.centered(losses.tolist()))
    assert abs(np.log10(found / steepest)) < 0.11  # two steps


def test_the_suggestion_is_where_losses_fall_fastest_before_their_lowest():
    rates = [10.0**power for power in range(-5, 3)]
    assert lr_range_test.suggestion(rates, [2.3, 2.3, 2.2, 1.6, 1.2, 1.1, 4.0, 9.0]) == 1e-2
    assert lr_range_test.suggestion(rates[:2], [2.3, 9.0]) == rates[0]


def test_a_loss_that_is_never_finite_is_one_sentence(images):
    network = small()
    network.register_forward_hook(lambda _, given, found: found * float("nan"))
    config = TrainConfig(((0.5,) * 3, (0.25,) * 3), device="cpu")
    with pytest.raises(TransferBenchError, match="must begin with a finite loss"):
        lr_range_test.find_learning_rate(network, images, recipe=Recipe(batch_size=40), config=config, steps=20)
