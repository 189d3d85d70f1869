"""Heads as torch modules, and the whole way from pixels to logits as one: what `pipeline export` writes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from extract.errors import InvalidInputError
from heads import Head
from heads.kernel.gram import as_points


class FrozenGraph(nn.Module):
    """uint8 [B, 3, h, w] -> logits float64 [B, K]: encoder, then head."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images)[0])


class Layers(nn.Module):
    """Affine maps with ReLU between them, in float64 as the heads compute: one is logistic, linear or ridge.

    The features are first raised to `power`, their signs kept, and standardized by `mean` and `scale` [D].
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, tensors: list[Tensor], *, power: float = 1.0, mean: Tensor | None = None, scale: Tensor | None = None
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

    def forward(self, features: Tensor) -> Tensor:
        values = features.double()
        if self.power != 1.0:
            values = values.abs().pow(self.power) * values.sign()
        if self.standardizes:
            values = (values - self.mean) / self.scale
        for layer in range(self.depth):
            values = values.relu() if layer else values
            values = values @ self.get_buffer(f"tensor{2 * layer}") + self.get_buffer(f"tensor{2 * layer + 1}")
        return values


class Angles(nn.Module):
    """Cosines with class means, as seen from the mean of all, over a temperature."""

    mean: Tensor
    centroids: Tensor

    def __init__(self, mean: Tensor, centroids: Tensor, temperature: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("centroids", normalize(centroids - mean, dim=1).T.contiguous() / temperature)

    def forward(self, features: Tensor) -> Tensor:
        return normalize(features.double() - self.mean, dim=1) @ self.centroids


class Votes(nn.Module):
    """Votes of the most similar examples, whose whole bank is part of the module."""

    mean: Tensor
    bank: Tensor
    members: Tensor

    def __init__(
        self, mean: Tensor, examples: Tensor, targets: Tensor, *, count: int, temperature: float | None, classes: int
    ) -> None:
        super().__init__()
        self.count, self.temperature, self.classes = min(count, len(targets)), temperature, classes
        self.register_buffer("mean", mean.double())
        self.register_buffer("bank", normalize(examples.double() - self.mean, dim=1).float().T.contiguous())
        self.register_buffer("members", nn.functional.one_hot(targets, classes).float())

    def forward(self, features: Tensor) -> Tensor:
        units = normalize(features.double() - self.mean, dim=1).float()
        similarities, places = (units @ self.bank).topk(self.count)
        nearness = similarities - similarities[:, :1]
        weights = torch.ones_like(nearness) if self.temperature is None else (nearness / self.temperature).exp()
        tally = (weights[:, :, None] * self.members[places]).sum(1)
        shares = tally / tally.sum(1, keepdim=True)
        return ((shares * self.count + 1 / self.classes) / (self.count + 1)).log().double()


class Gaussians(nn.Module):
    """Sums of Gaussian bumps about the examples, whose whole bank is part of the module."""

    mean: Tensor
    bank: Tensor
    squares: Tensor
    coefficients: Tensor
    offset: Tensor

    def __init__(self, tensors: dict[str, Tensor], *, power: float, views: int, temperature: float) -> None:
        super().__init__()
        self.power, self.width = power, float(tensors["width_"])
        self.register_buffer("mean", tensors["mean_"])
        points = as_points(tensors["examples_"], power=power, mean=tensors["mean_"], width=self.width)
        self.register_buffer("bank", points.float().T.contiguous())
        self.register_buffer("squares", points.float().square().sum(1))
        self.register_buffer("coefficients", (tensors["coefficients_"] / (views * temperature)).repeat(views, 1))
        self.register_buffer("offset", tensors["offset_"] / temperature)

    def forward(self, features: Tensor) -> Tensor:
        raised = features.float()
        if self.power != 1.0:
            raised = raised.abs().pow(self.power) * raised.sign()
        points = ((raised.double() - self.mean) / self.width).float()
        distances = (points.square().sum(1, keepdim=True) + self.squares - 2 * (points @ self.bank)).clamp(min=0)
        return (-distances).exp().double() @ self.coefficients + self.offset


def head_module(head: Head) -> nn.Module:
    """The fitted `head` as a module: features float [B, D] -> logits float64 [B, K].

    Raises `InvalidInputError` for a kind of head that has no such form.
    """
    if head.kind not in _MODULES:
        raise InvalidInputError(f"head must be one of {', '.join(_MODULES)} to be exported; got {head.kind!r}.")
    tensors = {name: torch.from_numpy(array.copy()) for name, array in head.weights().items()}
    return _MODULES[head.kind](tensors, head.get_params(), len(head.classes_))


def _affine(tensors: dict[str, Tensor], options: dict[str, Any], classes: int) -> nn.Module:
    return Layers([tensors["weights_"], tensors["bias_"]])


def _layered(tensors: dict[str, Tensor], options: dict[str, Any], classes: int) -> nn.Module:
    layers = [tensors[name] for name in sorted(tensors) if name.startswith("layer")]
    return Layers(layers, power=options["power"], mean=tensors["mean_"], scale=tensors["scale_"])


def _centroid(tensors: dict[str, Tensor], options: dict[str, Any], classes: int) -> nn.Module:
    mean, centroids, temperature = (tensors[name].double() for name in ("mean_", "centroids_", "temperature_"))
    if options["metric"] == "cosine":
        return Angles(mean, centroids, float(temperature))
    offsets = centroids - mean  # the negative squared distance, but for a term that all classes share, is affine
    bias = -2 * mean @ offsets.T - offsets.square().sum(1)
    return Layers([2 * offsets.T / temperature, bias / temperature])


def _kernel(tensors: dict[str, Tensor], options: dict[str, Any], classes: int) -> nn.Module:
    return Gaussians(tensors, power=options["power"], views=options["views"], temperature=options["temperature"])


def _neighbors(tensors: dict[str, Tensor], options: dict[str, Any], classes: int) -> nn.Module:
    return Votes(
        tensors["mean_"],
        tensors["examples_"],
        tensors["targets_"],
        count=options["neighbors"],
        temperature=options["temperature"],
        classes=classes,
    )


_MODULES: dict[str, Callable[[dict[str, Tensor], dict[str, Any], int], nn.Module]] = {
    "logistic": _affine,
    "ridge": _affine,
    "linear": _layered,
    "mlp": _layered,
    "centroid": _centroid,
    "kernel": _kernel,
    "knn": _neighbors,
}
