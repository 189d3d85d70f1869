"""What the tests of extraction share."""

from collections.abc import Callable

import pytest
import torch
from torch import nn


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
