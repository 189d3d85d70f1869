"""The paper's ResNet for CIFAR against its own words, written out with plain functions."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finetune.architectures import networks


def normed(state: dict[str, Tensor], name: str, maps: Tensor) -> Tensor:
    """Batch normalization in evaluation mode, from its definition."""
    shape = (1, -1, 1, 1)
    centered = (maps - state[f"{name}.running_mean"].view(shape)) / (
        state[f"{name}.running_var"].view(shape) + 1e-5
    ).sqrt()
    return centered * state[f"{name}.weight"].view(shape) + state[f"{name}.bias"].view(shape)


def by_hand(state: dict[str, Tensor], images: Tensor, *, block_count: int) -> Tensor:
    """Section 4.2 of He et al. 2015, with identity shortcuts padded by zero channels (option A)."""
    maps = normed(state, "bn1", F.conv2d(images, state["conv1.weight"], padding=1)).relu()
    for stage in (1, 2, 3):
        for block in range(block_count):
            place = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            inner = F.conv2d(maps, state[f"{place}.conv1.weight"], stride=stride, padding=1)
            inner = normed(state, f"{place}.bn1", inner).relu()
            inner = normed(state, f"{place}.bn2", F.conv2d(inner, state[f"{place}.conv2.weight"], padding=1))
            shortcut = torch.zeros_like(inner)
            before, new = maps.shape[1], inner.shape[1] - maps.shape[1]
            shortcut[:, new // 2 : new // 2 + before] = maps[:, :, ::stride, ::stride]
            maps = (inner + shortcut).relu()
    return maps.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]


def shaken(network: nn.Module) -> nn.Module:
    """The network with every number drawn anew, so that nothing is zero or one by chance."""
    generator = torch.Generator().manual_seed(3)
    for one in [*network.parameters(), *network.buffers()]:
        if one.is_floating_point():
            one.data.copy_(torch.rand(one.shape, generator=generator) * 0.4 + 0.1 - 0.3 * (one.ndim > 1))
    return network.eval()


@pytest.mark.parametrize("depth", [8, 20])
def test_it_computes_what_the_paper_says(depth):
    network = shaken(networks.build(f"resnet{depth}", n_classes=5, image_size=32)).double()
    images = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), by_hand(network.state_dict(), images, block_count=(depth - 2) // 6))


def test_convolutions_start_from_hes_normal_and_branches_from_zero():
    network = networks.build("resnet56", n_classes=10, image_size=32)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.out_channels == 64:
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.03)
    assert all(not block.bn2.weight.any() for stage in (1, 2, 3) for block in getattr(network, f"layer{stage}"))


def test_stochastic_depth_rises_linearly_to_the_last_block():
    network = networks.build("resnet20", n_classes=10, image_size=32, options={"drop_path": 0.4})
    rates = [
        getattr(block.drop_path, "drop_prob", 0.0) for stage in (1, 2, 3) for block in getattr(network, f"layer{stage}")
    ]
    assert rates == pytest.approx([0.05 * index for index in range(9)], abs=1e-6)


def test_channels_last_gives_the_same_logits():
    network = networks.build("resnet20", n_classes=10, image_size=32).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        plain = network(images)
        turned = network.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, turned, rtol=1e-4, atol=1e-5)
