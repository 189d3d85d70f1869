"""The forward pass of a training: eager, or compiled where that pays."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from extract.backbones.cost import cost
from extract.runtime.compiler import compiled, has_compiler

# Floating-point operations of a training (forward and backward) from which compiling has paid for itself, by device.
# It never does on a processor: 0.95 of the eager speed for resnet18 in float32 on two AVX2 cores, 0.98 in bfloat16 on
# two with AVX-512 (benchmarks/training.py).
PAYS_AFTER_FLOPS = {"cpu": math.inf, "cuda": 1e17}


def choose(setting: str, network: nn.Module, *, image_count: int, image_size: tuple[int, int], device: str) -> str:
    """ "eager" or "compiled": `setting` is on, off, or auto, which goes by the arithmetic of the training.

    So a training that is resumed decides as it did before. Without a C++ compiler it is always eager.
    """
    if setting == "off" or not has_compiler():
        return "eager"
    if setting == "on":
        return "compiled"
    pays_after = PAYS_AFTER_FLOPS[torch.device(device).type]
    if math.isinf(pays_after):
        return "eager"
    flops = 3 * image_count * cost(network, image_size=image_size).flops
    return "compiled" if flops >= pays_after else "eager"


def build(network: nn.Module, engine: str) -> Callable[[Tensor], Tensor]:
    """The network, or its compiled form, which shares its weights and compiles once for every input shape."""
    return network if engine == "eager" else compiled(network)
