"""The loss landscape: the network stands in its middle, filters set its scale, nothing is left changed."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from extract.errors import InvalidInputError
from finetune.analysis.loss_landscape import directions, loss_landscape
from finetune.augmentation.batches import LabeledImages

PLAIN = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    ).eval()


@pytest.fixture
def images() -> LabeledImages:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (24, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return LabeledImages(pixels, torch.randint(0, 4, (24,), generator=generator))


def test_the_middle_is_the_network_and_every_point_is_its_moved_copy(network, images):
    found = loss_landscape(network, images, normalization=PLAIN, side=3, seed=5)
    assert found.steps == (-1.0, 0.0, 1.0)
    first, second = directions(network, seed=10), directions(network, seed=11)
    inputs = (images.images.float() / 255 - 0.5) / 0.25
    for row, across in enumerate(found.steps):
        for column, along in enumerate(found.steps):
            moved = copy.deepcopy(network)
            state = {name: one + across * first[name] + along * second[name] for name, one in moved.named_parameters()}
            moved.load_state_dict(state, strict=False)
            expected = functional.cross_entropy(moved(inputs), images.labels)
            assert found.loss[row][column] == pytest.approx(expected.item(), abs=1e-4)


def test_the_network_is_left_as_it_was(network, images):
    before = copy.deepcopy(network.state_dict())
    loss_landscape(network, images, normalization=PLAIN, side=3, reach=1e9)
    assert all(torch.equal(before[name], one) for name, one in network.state_dict().items())
    assert not network.training


def test_each_filter_of_a_direction_is_as_long_as_the_networks_own(network):
    drawn = directions(network, seed=0)
    for name, parameter in network.named_parameters():
        if parameter.dim() < 2:
            assert not drawn[name].any()
        else:
            own, other = parameter.flatten(1).norm(dim=1), drawn[name].flatten(1).norm(dim=1)
            assert torch.allclose(own, other, rtol=1e-4)
    assert not torch.equal(drawn["0.weight"], directions(network, seed=1)["0.weight"])


def test_a_loss_that_is_not_finite_is_none_and_an_even_side_is_refused(network, images):
    with torch.no_grad():
        network[-1].weight.fill_(3e38)
    assert loss_landscape(network, images, normalization=PLAIN, side=3).loss[0][0] is None
    with pytest.raises(InvalidInputError, match="Take 5"):
        loss_landscape(network, images, normalization=PLAIN, side=4)
