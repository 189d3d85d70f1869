"""DenseNet-BC for CIFAR against the paper, written out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finetune.architectures import networks


def convolved(network: nn.Module, place: str, number: str, maps: Tensor) -> Tensor:
    """Norm, ReLU, convolution."""
    norm, layer = network.get_submodule(f"{place}.norm{number}"), network.get_submodule(f"{place}.conv{number}")
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(layer, nn.Conv2d)
    maps = F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps).relu()
    return F.conv2d(maps, layer.weight, padding=layer.weight.shape[-1] // 2)


def test_it_computes_what_the_paper_says():
    network = networks.build("densenet-bc-16-6", n_classes=5, image_size=16).eval().double()
    state = network.state_dict()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        maps = F.conv2d(images, state["features.conv0.weight"], padding=1)
        assert maps.shape[1] == 2 * 6
        for block in (1, 2, 3):
            for layer in (1, 2):
                place = f"features.denseblock{block}.denselayer{layer}"
                narrow = convolved(network, place, "1", maps)
                assert narrow.shape[1] == 4 * 6
                maps = torch.cat([maps, convolved(network, place, "2", narrow)], 1)
            if block < 3:
                before = maps.shape[1]
                maps = F.avg_pool2d(convolved(network, f"features.transition{block}", "", maps), 2)
                assert maps.shape[1] == before // 2
        norm = network.get_submodule("features.norm5")
        assert isinstance(norm, nn.BatchNorm2d)
        maps = F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps).relu()
        logits = maps.mean((2, 3)) @ state["classifier.weight"].T + state["classifier.bias"]
        torch.testing.assert_close(network(images), logits)


def test_dropout_follows_every_layer():
    network = networks.build("densenet-bc-16-6", n_classes=5, image_size=16, options={"dropout": 1 - 1e-9})
    network.train()
    maps = torch.randn(2, 12, 16, 16)
    joined = network.get_submodule("features.denseblock1")(maps)
    assert torch.equal(joined[:, :12], maps)
    assert not joined[:, 12:].any()
