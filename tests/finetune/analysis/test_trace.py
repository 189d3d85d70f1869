"""One image through a network on shapes alone."""

import torch
from torch import nn

from finetune.analysis.trace import trace


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images):
        return self.second(self.first(images)) + images


def test_every_operator_has_its_place_shape_and_cost():
    found = trace(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU()), image_size=16)
    convolution, *_ = found.steps
    assert (convolution.path, convolution.shape, convolution.macs) == ("0", (8, 8, 8), 8 * 8 * 8 * 3 * 9)
    assert convolution.new_bytes == 4 * 8 * 8 * 8
    assert found.called["0"] == found.called["1"] == 1


def test_a_sum_of_branches_is_a_link_at_their_module():
    assert trace(nn.Sequential(Residual()), image_size=8).links == {"0": "add"}


def test_a_trace_leaves_the_mode_and_the_numbers_of_the_network():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    trace(network, image_size=8)
    assert network.training
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
