"""Affine maps with ReLU between them as a torch module: what most heads are when they are exported."""

import torch


class Layers(torch.nn.Module):
    """Affine maps with ReLU between them, in float64 as the heads compute: one is logistic, linear or ridge.

    The features are first raised to `power`, their signs kept, and standardized by `mean` and `scale` [D].
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        tensors: list[torch.Tensor],
        *,
        power: float = 1.0,
        mean: torch.Tensor | None = None,
        scale: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.power = power
        self.depth = len(tensors) // 2
        self.standardizes = mean is not None and scale is not None
        if mean is not None and scale is not None:
            self.register_buffer("mean", mean.double())
            self.register_buffer("scale", scale.double())
        for index, tensor in enumerate(tensors):
            self.register_buffer(f"tensor{index}", tensor.double())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        values = features.double()
        if self.power != 1.0:
            values = values.abs().pow(self.power) * values.sign()
        if self.standardizes:
            values = (values - self.mean) / self.scale
        for layer in range(self.depth):
            values = values.relu() if layer else values
            values = values @ self.get_buffer(f"tensor{2 * layer}") + self.get_buffer(f"tensor{2 * layer + 1}")
        return values
