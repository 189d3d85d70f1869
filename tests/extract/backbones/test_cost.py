"""Costs counted on shapes: by hand, and without touching the network."""

import torch
from torch import Tensor, nn

from extract.backbones.cost import cost, shell, weight_bytes


class Attention(nn.Module):
    """A learned query, which wants a gradient, asks 16 positions: one fused attention."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, 3))
        self.table = nn.Linear(3, 5, bias=False)
        self.marks = torch.ones(4, 3)  # no buffer, yet moved with the rest

    def forward(self, images: Tensor) -> Tensor:
        rows = images.flatten(2).transpose(1, 2)  # [1, 16, 3]
        self.table(self.marks)  # once a batch, whatever the image
        return nn.functional.scaled_dot_product_attention(self.query.expand(len(rows), -1, -1), rows, rows)


def test_attention_is_counted_and_what_no_image_changes_is_not():
    found = cost(Attention(), image_size=(4, 4))
    assert found.flops == 2 * (16 * 3 + 16 * 3)  # scores, and the weighted sum
    assert found.output_shape == (1, 1, 3)


def test_a_network_is_counted_once_and_anew_when_a_layer_changes():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten())
    first = cost(network, image_size=(8, 4))
    assert cost(network, image_size=(8, 4)) is first
    assert cost(network, image_size=(4, 4)).flops == first.flops / 2
    network[0] = nn.Conv2d(3, 6, 1)
    assert cost(network, image_size=(8, 4)).flops == 3 * first.flops
    network[0].stride = (2, 2)
    assert cost(network, image_size=(8, 4)).flops == 3 * first.flops / 4


def test_activations_are_those_of_operators_that_make_something():
    found = cost(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True), nn.Flatten()), image_size=(8, 4))
    assert (found.flops, found.activation_bytes) == (2 * 3 * 2 * 32, 4 * 2 * 32)
    assert found.operator_bytes == 4 * 5 * 32  # the image and the map


def test_weights_are_what_inference_keeps():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    network.register_buffer("made_anew", torch.zeros(9), persistent=False)
    assert weight_bytes(network) == weight_bytes(shell(network)) == 4 * (3 * 2 + 2 + 2 * 2 + 2 * 2)


def test_a_shell_has_no_numbers_and_leaves_the_network_alone():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).requires_grad_(False)
    empty = shell(network)
    assert {one.device.type for one in empty.state_dict().values()} == {"meta"}
    assert {one.device.type for one in network.state_dict().values()} == {"cpu"}
    assert not any(one.requires_grad for one in empty.parameters())
