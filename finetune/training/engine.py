"""The forward pass of a training: eager, with fused norms, or compiled, where that pays."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from extract.backbones.cost import cost
from extract.runtime.compiler import compiled, has_compiler
from finetune.kernels.library import available

# Floating-point operations of a training (forward and backward) from which making code has paid for itself, by device.
# A processor fuses the norms, for which code is made in some seconds. Compiling the whole network never pays there:
# 0.95 of the eager speed for resnet18 in float32 on two AVX2 cores, 0.98 in bfloat16 on two with AVX-512.
PAYS_AFTER_FLOPS = {"cpu": 1e13, "cuda": 1e17}


def choose(setting: str, network: nn.Module, *, image_count: int, image_size: tuple[int, int], device: str) -> str:
    """ "eager", "fused" or "compiled": `setting` is on, off, or auto, which goes by the arithmetic of the training.

    So a training that is resumed decides as it did before. Without a C++ compiler it is always eager.
    """
    kind = torch.device(device).type
    if setting == "off" or not has_compiler():
        return "eager"
    if setting == "on":
        return "compiled"
    flops = 3 * image_count * cost(network, image_size=image_size).flops
    if flops < PAYS_AFTER_FLOPS[kind]:
        return "eager"
    if kind == "cpu":
        return "fused" if available() else "eager"
    return "compiled"


def build(network: nn.Module, engine: str) -> Callable[[Tensor], Tensor]:
    """The network, or its compiled form, which shares its weights and compiles once for every input shape.

    Norms are fused where the training runs (`finetune.kernels.fused`).
    """
    return network if engine != "compiled" else compiled(network)
