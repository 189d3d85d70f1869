"""Pre-activation ResNets for CIFAR against the equations of the paper."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finetune.architectures import networks


def activated(network: nn.Module, name: str, maps: Tensor) -> Tensor:
    norm = network.get_submodule(name)
    assert isinstance(norm, nn.BatchNorm2d)
    return F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps).relu()


def test_basic_blocks_compute_what_the_paper_says():
    network = networks.build("preact14", n_classes=5, image_size=32).eval().double()
    state = network.state_dict()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        maps = F.conv2d(images, state["stem.conv.weight"], padding=1)
        for stage in range(3):
            for block in range(2):
                place = f"stages.{stage}.blocks.{block}"
                stride = 2 if stage and not block else 1
                first = activated(network, f"{place}.norm1", maps)
                projection = state.get(f"{place}.downsample.conv.weight")
                shortcut = maps if projection is None else F.conv2d(first, projection, stride=stride)
                inner = F.conv2d(first, state[f"{place}.conv1.weight"], stride=stride, padding=1)
                inner = activated(network, f"{place}.norm2", inner)
                maps = shortcut + F.conv2d(inner, state[f"{place}.conv2.weight"], padding=1)
        pooled = activated(network, "norm", maps).mean((2, 3))
        logits = pooled @ state["head.fc.weight"].flatten(1).T + state["head.fc.bias"]
        torch.testing.assert_close(network(images), logits)


def test_bottlenecks_from_164_layers_on():
    kinds = {
        name: sum(module.kernel_size == (1, 1) for module in network.modules() if isinstance(module, nn.Conv2d))
        for name in ("preact110", "preact164")
        for network in [networks.build(name, n_classes=10, image_size=32)]
    }
    assert kinds == {"preact110": 2 + 1, "preact164": 2 * 54 + 3 + 1}  # projections and classifier; two a block more


def test_nothing_in_a_branch_starts_at_zero():
    network = networks.build("preact20", n_classes=10, image_size=32)
    assert all(parameter.any() for name, parameter in network.named_parameters() if name.endswith("weight"))
