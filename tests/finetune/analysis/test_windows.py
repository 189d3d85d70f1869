"""Receptive fields behind convolutions, poolings and enlarged maps, from hand."""

import pytest
from torch import nn

from finetune.analysis.trace import trace

WINDOWS = {
    "one convolution": (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)), 3),
    "two": (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)), 5),
    "behind a stride": (nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, padding=1)), 7),
    "dilated": (nn.Sequential(nn.Conv2d(3, 4, 3, padding=2, dilation=2)), 5),
    "pooled": (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2)), 4),
    "averaged": (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(2)), 4),
    "pointwise": (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), 1),
    "enlarged": (nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.Upsample(scale_factor=2)), 2),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_grows_the_field_by_its_reach_times_the_strides_before_it(name):
    network, field = WINDOWS[name]
    assert trace(network, image_size=64).steps[-1].receptive_field.field == field
