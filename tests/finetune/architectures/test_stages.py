"""Stages of timm models by their own groups."""

import pytest
import torch

from extract.runtime.devices import channels_last
from finetune.architectures import networks


# Shared parts; no coarse groups; two classifiers.
@pytest.mark.parametrize("name", ["coat_lite_tiny", "rdnet_tiny", "deit_tiny_distilled_patch16_224", "levit_128s"])
def test_every_parameter_lies_in_one_stage(name):
    with torch.device("meta"):
        network = networks.build(name, n_classes=3, image_size=32 if name in ("coat_lite_tiny", "rdnet_tiny") else 224)
    inside = [id(one) for _, stage in networks.stages(network) for one in stage.parameters()]
    last = {id(one) for one in networks.classifier(network).parameters()}
    assert set(inside) == {id(one) for one in network.parameters()} - last
    assert len(inside) == len(set(inside))


def test_kernels_of_two_dimensions_are_channels_last_beside_those_of_three():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv3d(1, 2, 3))
    flat, deep = (layer.weight for layer in channels_last(network))
    assert flat.is_contiguous(memory_format=torch.channels_last)
    assert deep.is_contiguous()
