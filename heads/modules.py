"""Heads as torch modules: what applies them, and what is exported."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from heads.design import Standardization, signed_power

BLOCK_ROWS = 2048  # rows that a module takes at a time


class Layers(torch.nn.Module):
    """Features [N, D] -> logits float64 [N, K]: affine maps [W1, b1, W2, b2, ...] with ReLU between them.

    The features are first raised to `power` (`heads.design.signed_power`) and standardized.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, tensors: Sequence[torch.Tensor], *, power: float = 1.0, standard: Standardization | None = None
    ) -> None:
        super().__init__()
        self.power, self.depth, self.standardizes = power, len(tensors) // 2, standard is not None
        if standard is not None:
            self.register_buffer("mean", standard.mean.double())
            self.register_buffer("scale", standard.scale.double())
        for index, tensor in enumerate(tensors):
            self.register_buffer(f"tensor{index}", tensor.double())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        values = signed_power(features.double(), self.power)
        if self.standardizes:
            values = (values - self.mean) / self.scale
        for layer in range(self.depth):
            weights, biases = (self.get_buffer(f"tensor{2 * layer + part}") for part in (0, 1))
            values = torch.addmm(biases, values.relu() if layer else values, weights)
        return values

    def folded(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """(weights [D, K], bias [K]) float64 for raw features, where all of this is one affine map."""
        if self.depth != 1 or self.power != 1.0:
            return None
        weights, bias = self.get_buffer("tensor0"), self.get_buffer("tensor1")
        if not self.standardizes:
            return weights, bias
        weights = weights / self.scale[:, None]
        return weights, bias - self.mean @ weights


def affine(arrays: Mapping[str, np.ndarray], *, power: float = 1.0) -> Layers | None:
    """The module of the arrays that a head keeps (`Head.weights`); None where it is more than affine maps."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if tensors.keys() == {"weights_", "bias_"}:
        return Layers([tensors["weights_"], tensors["bias_"]])
    layers = [tensors[name] for name in sorted(tensors) if name.startswith("layer")]
    if not layers:
        return None
    return Layers(layers, power=power, standard=Standardization(tensors["mean_"], tensors["scale_"]))


def in_blocks(module: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Logits float32 [N, K] of a module that computes them in float64, rounded once.

    So the same image gives the same logits alone and in a batch.
    """
    return torch.cat([module(block).float() for block in features.split(BLOCK_ROWS)])
