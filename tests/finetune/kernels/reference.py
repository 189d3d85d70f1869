"""One training step in each arithmetic: what the kernels are compared with."""

import copy

import torch
from torch import Tensor, nn

from finetune.kernels.fused import fused


def step(network: nn.Module, images: Tensor, how: str) -> dict[str, Tensor]:
    """Output, input gradient, parameter gradients and statistics of a copy of `network`, all float64.

    `how` names the arithmetic (float32, float64, bfloat16) and may end in " fused".
    """
    arithmetic, _, kernels = how.partition(" ")
    own = copy.deepcopy(network).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    inputs = images.clone(memory_format=torch.channels_last)
    if arithmetic == "float64":
        own, inputs = own.double(), inputs.double()
    inputs.requires_grad_()
    with fused(own, active=bool(kernels)), torch.autocast("cpu", torch.bfloat16, enabled=arithmetic == "bfloat16"):
        output = own(inputs)
    output.double().sin().sum().backward()
    named = [(name, one.grad) for name, one in own.named_parameters()] + [("input", inputs.grad)]
    found = {f"gradient of {name}": grad for name, grad in named if grad is not None}
    return {name: value.detach().double() for name, value in {"output": output, **found, **own.state_dict()}.items()}


def error(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """The size of the difference in parts of the exact value's, by name."""
    assert found.keys() == exact.keys()
    return {
        name: float((value - exact[name]).norm() / exact[name].norm().clamp(min=1e-12)) for name, value in found.items()
    }
