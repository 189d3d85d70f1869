"""Layers whose weight gradient PyTorch gets wrong in bfloat16 on a processor are trained in float32.

A convolution with stride and padding that leaves one pixel has taps that see nothing but padding. Their gradient is
zero; oneDNN's bfloat16 kernel leaves in it what the memory held before, NaN or any number, another in every run
(torch 2.14 with AVX-512 units). Networks that halve an image of 16 pixels five times have such layers.
"""

import contextlib
import functools
from collections.abc import Iterator

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def sound_gradients(network: nn.Module, *, device: torch.device, precision: str) -> Iterator[None]:
    """Inside, training computes those layers of `network` in float32; evaluation, and all afterwards, is as before.

    On a GPU, and in float32, it changes nothing.
    """
    layers = _candidates(network) if (device.type, precision) == ("cpu", "bfloat16") else []
    for layer in layers:
        layer.forward = functools.partial(_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _candidates(network: nn.Module) -> list[nn.Conv2d]:
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    padded = [layer for layer in layers if not isinstance(layer.padding, str) and any(layer.padding)]
    return [layer for layer in padded if max(layer.stride) > 1]  # padding by name never comes with both


def _forward(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    if not (torch.is_grad_enabled() and _leaves_one_pixel(layer, inputs)):
        return type(layer).forward(layer, inputs)
    with torch.autocast(inputs.device.type, enabled=False):
        return type(layer).forward(layer, inputs.float())


def _leaves_one_pixel(layer: nn.Conv2d, inputs: Tensor) -> bool:
    """Whether the output has one row or one column (the formula of `torch.nn.Conv2d`)."""
    assert not isinstance(layer.padding, str)  # see `_candidates`
    sides = zip(inputs.shape[2:], layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True)
    return any(
        size + 2 * padding - dilation * (kernel - 1) - 1 < stride for size, padding, dilation, kernel, stride in sides
    )
