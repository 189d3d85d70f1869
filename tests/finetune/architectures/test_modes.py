"""Surgery before training: what is frozen stays, what is installed gives the head's logits, rates fall with depth."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from extract.errors import InvalidInputError
from finetune.architectures import modes, networks

NETWORKS = [("resnet20", 32), ("test_resnet", 32), ("preact18", 32), ("test_efficientnet", 32), ("test_vit", 160)]
WIDTH = {"preact18": {"width": 0.25}}


def built(name: str, size: int, n_classes: int = 7) -> nn.Module:
    return networks.build(name, n_classes=n_classes, image_size=size, options=WIDTH.get(name, {}), seed=0)


def one_step(network: nn.Module, size: int) -> None:
    """One plain step of SGD at a rate that moves whatever can be moved."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, size, size, generator=generator) + 1
    labels = torch.arange(8) % 7
    optimizer = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=0.5)
    nn.functional.cross_entropy(network(images), labels).backward()
    optimizer.step()


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_frozen_stages_keep_weights_and_statistics_to_the_bit_and_the_others_move(name, size):
    network = built(name, size)
    stages = networks.stages(network)
    modes.freeze(network, trained_stages=1)
    modes.train_mode(network)
    before = [copy.deepcopy(stage.state_dict()) for _, stage in stages]
    classifier = copy.deepcopy(networks.classifier(network).state_dict())
    one_step(network, size)
    for (stage_name, stage), old in zip(stages[:-1], before[:-1], strict=True):
        for key, tensor in stage.state_dict().items():
            assert torch.equal(tensor, old[key]), (stage_name, key)
    assert any(not torch.equal(tensor, before[-1][key]) for key, tensor in stages[-1][1].state_dict().items())
    moved = networks.classifier(network).state_dict()
    assert not torch.equal(moved["weight"], classifier["weight"])


def test_no_stage_trained_leaves_the_classifier_alone_to_learn():
    network = built("test_resnet", 32)
    modes.freeze(network, trained_stages=0)
    trained = {name for name, one in network.named_parameters() if one.requires_grad}
    assert trained == {"fc.weight", "fc.bias"}


def test_all_stages_trained_is_the_whole_network():
    network = built("test_resnet", 32)
    modes.freeze(network, trained_stages=len(networks.stages(network)))
    assert all(one.requires_grad for one in network.parameters())


def test_more_stages_than_there_are_is_refused_with_their_names():
    with pytest.raises(InvalidInputError, match=r"at most the 5 stages .*layer4.*; got 6"):
        modes.freeze(built("test_resnet", 32), trained_stages=6)


def test_batch_norm_in_evaluation_mode_keeps_statistics_and_still_trains_its_weights():
    network = built("test_resnet", 32)
    modes.train_mode(network, batch_norm="eval")
    before = copy.deepcopy(network.state_dict())
    one_step(network, 32)
    after = network.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in after if "running" in key)
    assert not torch.equal(after["bn1.weight"], before["bn1.weight"])
    assert network.training
    assert not any(module.training for module in modes.batch_norms(network))


@pytest.mark.parametrize(("steps", "momentum"), [(1000, 0.01), (100, 0.1), (3, 0.1)])
def test_adapted_momentum_is_kornbliths(steps, momentum):
    network = built("test_resnet", 32)
    modes.adapt_batch_norm(network, steps_per_epoch=steps)
    assert {module.momentum for module in modes.batch_norms(network)} == {momentum}
    assert 1 - momentum == pytest.approx(max(1 - 10 / steps, 0.9))


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_rates_fall_by_the_layer_decay_from_stage_to_stage(name, size):
    network = built(name, size)
    factors = modes.rate_factors(network, layer_decay=0.5)
    named = dict(network.named_parameters())
    by_parameter = {id(named[key]): factor for key, factor in factors.items()}
    stages = networks.stages(network)
    for depth, (_, stage) in enumerate(stages):
        assert {by_parameter[id(one)] for one in stage.parameters()} == {0.5 ** (len(stages) - depth)}
    assert {by_parameter[id(one)] for one in networks.classifier(network).parameters()} == {1.0}
    assert set(factors) == set(named)


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_an_installed_head_gives_its_logits(name, size, rng):
    network = built(name, size).eval()
    images = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    width = networks.classifier(network).weight.shape[1]
    weights, bias = rng.normal(size=(width, 6)), rng.normal(size=6)
    classes = [0, 1, 2, 4, 5, 6]
    modes.install_head(network, weights=weights, bias=bias, classes=classes)
    with torch.no_grad():
        logits = network(images).double().numpy()
        embeddings = networks.embedding(copy.deepcopy(network))(images).double().numpy()
    assert np.allclose(logits[:, classes], embeddings @ weights + bias, atol=1e-4)
    assert (logits[:, 3] < logits.max(axis=1) - 19).all()  # the class that the head has never seen


def test_a_head_of_another_width_is_refused():
    with pytest.raises(InvalidInputError, match="head must fit the last layer, 96 wide"):
        modes.install_head(built("test_resnet", 32), weights=np.zeros((95, 7)), bias=np.zeros(7), classes=range(7))


@pytest.mark.parametrize(("name", "size"), [("airbench94", 32), ("deit_tiny_distilled_patch16_224", 224)])
def test_a_head_is_refused_by_a_network_without_one_affine_last_layer(name, size):
    network = networks.build(name, n_classes=7, image_size=size)
    assert not modes.takes_head(network)
    with pytest.raises(InvalidInputError, match="last layer must be one with weights and a bias"):
        modes.install_head(network, weights=np.zeros((256, 7)), bias=np.zeros(7), classes=range(7))
