"""What computes a training: its forward pass eager, or compiled where that pays, and on how many CPU threads."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from extract.backbones.cost import cost
from extract.runtime.compiler import compiled, has_compiler
from extract.runtime.devices import shares_threads, threads_for
from extract.runtime.machine import chosen_threads, thread_count

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


def step_threads(network: nn.Module, *, rows: int, image_size: tuple[int, int], device: torch.device) -> int | None:
    """Threads for steps of `rows` images through `network`: None for as many as there are, and on a GPU."""
    if device.type != "cpu" or torch.get_num_threads() == 1:
        return None
    flops, operators = _step(network, rows=rows, image_size=image_size)
    return threads_for(flops, operators=operators)


def left_threads(network: nn.Module, *, rows: int, image_size: tuple[int, int], device: torch.device) -> int:
    """Threads that would help such steps and are left to others: `step_threads` found them busy; 0 if a user chose."""
    if device.type != "cpu" or chosen_threads() is not None:
        return 0
    flops, operators = _step(network, rows=rows, image_size=image_size)
    return thread_count() - torch.get_num_threads() if shares_threads(flops, operators=operators) else 0


def _step(network: nn.Module, *, rows: int, image_size: tuple[int, int]) -> tuple[float, int]:
    """Floating-point operations of one step, and in how many operators."""
    layers = sum(not list(module.children()) for module in network.modules())
    return rows * cost(network, image_size=image_size).flops, layers
