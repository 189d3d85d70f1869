"""What the tests of extraction share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from extract.data import cifar


@pytest.fixture(scope="session")
def cifar_images(cifar_dir: Path) -> np.ndarray:
    """The test images of the real CIFAR-10, uint8 [10000, 3, 32, 32]."""
    return cifar.load("cifar10", cifar.find("cifar10", cifar_dir)).splits["test"].images.array


@pytest.fixture(scope="session")
def with_statistics() -> Callable[[nn.Module], nn.Module]:
    """A network with BatchNorm statistics and parameters as training leaves them: none is 0 or 1."""

    def filled(network: nn.Module) -> nn.Module:
        draw = torch.Generator().manual_seed(0)
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                for tensor, low in (
                    (norm.running_mean, -0.2),
                    (norm.bias, -0.2),
                    (norm.running_var, 0.5),
                    (norm.weight, 0.5),
                ):
                    tensor.data = torch.rand(tensor.shape, generator=draw) + low
        return network.eval().requires_grad_(False)

    return filled
