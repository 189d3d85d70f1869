"""Receptive fields behind operators that move, join or mix elements, from hand."""

import pytest
import torch
from torch import nn

from finetune.analysis.trace import trace


class Applied(nn.Module):
    """A function behind a convolution of 3 pixels."""

    def __init__(self, function):
        super().__init__()
        self.convolution, self.function = nn.Conv2d(3, 4, 3, padding=1), function

    def forward(self, images):
        return self.function(self.convolution(images))


def attended(tokens):  # [B, N, C] -> [B, N, C]
    return (tokens @ tokens.transpose(1, 2)).softmax(2) @ tokens


FUNCTIONS = {
    "element by element": (lambda maps: maps.sigmoid() * maps + 1, 3),
    "reshaped": (lambda maps: maps.flatten(2).transpose(1, 2), 3),
    "joined": (lambda maps: torch.cat([maps, maps], 1), 3),
    "summed over channels": (lambda maps: maps.sum(1, keepdim=True), 3),
    "normalized over channels": (lambda maps: maps.softmax(1), 3),
    "averaged over positions": (lambda maps: maps.mean((2, 3)), None),
    "normalized over positions": (lambda maps: maps.flatten(2).softmax(2), None),
    "attended to": (lambda maps: attended(maps.flatten(2).transpose(1, 2)), None),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_moving_keeps_a_field_and_mixing_positions_makes_it_the_image(name):
    function, field = FUNCTIONS[name]
    assert trace(Applied(function), image_size=32).steps[-1].receptive_field.field == field
