"""VGG, and `airbench94`, the fastest of its family."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from finetune.architectures import networks

PLANS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


@pytest.mark.parametrize("depth", PLANS)
def test_convolutions_by_stage_are_those_of_the_papers_table(depth):
    network = networks.build(f"vgg{depth}", n_classes=10, image_size=32, options={"width": 0.125})
    found = [
        [module.out_channels for module in stage.modules() if isinstance(module, nn.Conv2d)]
        for _, stage in networks.stages(network)
    ]
    assert found == [[width] * n for n, width in zip(PLANS[depth], (8, 16, 32, 64, 64), strict=True)]


def test_the_small_vgg_is_its_convolutions_pooled_into_the_classifier():
    network = networks.build("vgg11", n_classes=5, image_size=64, options={"width": 0.25, "norm": "none"}).eval()
    maps = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits = network(maps)
        for _, stage in networks.stages(network):
            for module in stage.modules():
                if isinstance(module, nn.Conv2d):
                    maps = F.conv2d(maps, module.weight, module.bias, padding=1).relu()
            maps = F.max_pool2d(maps, 2)
        last = networks.classifier(network)
        torch.testing.assert_close(logits, maps.mean((2, 3)) @ last.weight.T + last.bias)


def test_rounding_up_in_the_poolings_changes_nothing_at_multiples_of_32():
    network = networks.build("vgg11", n_classes=10, image_size=32, seed=0).eval()
    images = torch.rand(2, 3, 32, 32)
    expected = network(images)
    for layer in network.modules():
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = False
    assert torch.equal(network(images), expected)


@pytest.mark.parametrize("depth", PLANS)
def test_epochs_on_small_images_of_24_pixels_are_possible(depth):
    assert networks.accepts(networks.build(f"vgg{depth}", n_classes=10, image_size=32, seed=0), 24)
