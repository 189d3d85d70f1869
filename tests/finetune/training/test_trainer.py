"""One update: what it moves, in parts, clipped."""

import copy

import pytest
import torch

from finetune.analysis import lr_range_test
from finetune.architectures import modes, networks
from finetune.augmentation.batches import pixel_statistics
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from tests.finetune.training.trained import PLAIN, same, small, trained


def test_frozen_weights_and_statistics_stay_to_the_bit(images):
    network = small()
    modes.freeze(network, trained_stages=0)
    before = copy.deepcopy(network.state_dict())
    trained(network, images, epochs=2, learning_rate=0.1, weight_decay=0.1)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    last = networks.classifier(network)
    own = {
        name for name, value in network.state_dict().items() if any(value is one for one in last.state_dict().values())
    }
    assert changed == {name for name in before if name.startswith(("fc.", "head.", "linear.", "classifier."))} | own
    assert changed


def test_batch_statistics_stay_in_evaluation_mode(images):
    for kind, moves in (("eval", False), ("train", True), ("adapted", True)):
        network = small()
        before = copy.deepcopy(network.state_dict())
        trained(network, images, epochs=1, batchnorm=kind)
        moved = [
            not torch.equal(value, before[name]) for name, value in network.state_dict().items() if "running" in name
        ]
        assert any(moved) == moves
        assert any(
            not torch.equal(value, before[name]) for name, value in network.state_dict().items() if "weight" in name
        )


def test_on_a_processor_no_generator_of_a_gpu_is_seeded(images, monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    network = small(dropout=0.5)
    trained(network, images, epochs=1)
    normalization = pixel_statistics(images.images)
    config = TrainConfig(normalization, device="cpu")
    lr_range_test.find_learning_rate(network, images, recipe=Recipe(**PLAIN), config=config, steps=10)
    assert seeded == []


def test_a_batch_in_parts_is_the_whole_batch(images):
    whole, parts = (
        trained(
            small("group"),
            images,
            epochs=1,
            accumulate=count,
            clip_norm=0.5,
            label_smoothing=0.1,
            precision="float32",
        )
        for count in (1, 4)
    )
    assert same(whole.network, parts.network, 1e-5)
    assert whole.curves["running_training_loss"] == pytest.approx(parts.curves["running_training_loss"], abs=1e-4)


def test_clipping_bounds_what_an_update_can_do(images):
    network = small("group")
    before = copy.deepcopy(network)
    trained(network, images, epochs=1, batch_size=100, clip_norm=1e-3, momentum=0.0, learning_rate=1.0)
    moved = sum(
        ((one - other) ** 2).sum() for one, other in zip(network.parameters(), before.parameters(), strict=True)
    )
    assert moved.item() ** 0.5 == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_clipping_sees_the_gradients_of_all_weights_whatever_moves_them(images, optimizer):
    network = small("group")
    trained(network, images, epochs=5, batch_size=100, clip_norm=1e-3, optimizer=optimizer, learning_rate=0.01)
    norms = torch.stack([weight.grad.norm() for weight in network.parameters()])  # those of the last update
    assert norms.norm().item() == pytest.approx(1e-3, rel=1e-2)
