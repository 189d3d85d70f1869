"""The loss around a trained network, on a plane through its weights (Li et al., "Visualizing the loss landscape of
neural nets", NeurIPS 2018).

Two directions are drawn at random, and each filter of a direction is scaled to the norm of the network's own filter.
Without that, a network whose weights are large would look flat and one whose weights are small would look sharp,
although scaling the weights before a normalization changes nothing. Biases and the parameters of normalization
layers stay, and so do running statistics, as in the paper's own code.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from extract.errors import InvalidInputError
from finetune.augmentation.batches import LabeledImages, Normalization
from finetune.training.evaluate import logits


@dataclass(frozen=True)
class LossLandscape:
    """Loss measured on a grid: `steps` [S] along both directions, in filter norms, the middle one 0.

    `loss` and `accuracy` [S][S] are those of the images at (steps[row], steps[column]); a loss that is not finite
    is None.
    """

    steps: tuple[float, ...]
    loss: tuple[tuple[float | None, ...], ...]
    accuracy: tuple[tuple[float, ...], ...]


def loss_landscape(
    network: nn.Module,
    images: LabeledImages,
    *,
    normalization: Normalization,
    resize: nn.Module | None = None,
    side: int = 13,
    reach: float = 1.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LossLandscape:
    """The mean cross-entropy of `images` on a grid of `side` x `side` points up to `reach` filter norms away.

    The network is as before afterwards, and is evaluated in float32. Costs `side` squared evaluations. Raises
    `InvalidInputError` for an even side, which would miss the network itself.
    """
    if side < 3 or side % 2 == 0:
        raise InvalidInputError(f"side of a loss landscape must be an odd number from 3; got {side}. Take {side + 1}.")
    middle = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    first, second = directions(network, seed=2 * seed), directions(network, seed=2 * seed + 1)
    steps = [reach * (2 * index / (side - 1) - 1) for index in range(side)]
    points: list[tuple[float | None, float]] = []
    try:
        for across in steps:
            for along in steps:
                _move(network, middle, ((across, first), (along, second)))
                points.append(_measured(network, images, normalization, resize))
                if progress is not None:
                    progress(len(points), side * side)
    finally:
        _move(network, middle, ())
    rows = [points[start : start + side] for start in range(0, len(points), side)]
    return LossLandscape(
        tuple(steps),
        tuple(tuple(loss for loss, _ in row) for row in rows),
        tuple(tuple(accuracy for _, accuracy in row) for row in rows),
    )


def directions(network: nn.Module, *, seed: int) -> dict[str, Tensor]:
    """A random direction by parameter name, each filter as long as the network's own; zero for biases and norms.

    A filter is what gives one output: `weight[k]` of a convolution or a linear layer. Draws from no global generator.
    """
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, parameter in network.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
        if parameter.dim() < 2:
            found[name] = torch.zeros_like(drawn)
            continue
        own, norm = parameter.detach().flatten(1).norm(dim=1), drawn.flatten(1).norm(dim=1)
        found[name] = drawn * (own / (norm + 1e-10)).view(-1, *[1] * (parameter.dim() - 1))
    return found


@torch.no_grad()
def _move(network: nn.Module, middle: dict[str, Tensor], offsets: tuple[tuple[float, dict[str, Tensor]], ...]) -> None:
    for name, parameter in network.named_parameters():
        parameter.copy_(middle[name])
        for step, direction in offsets:
            parameter.add_(direction[name], alpha=step)


def _measured(
    network: nn.Module, images: LabeledImages, normalization: Normalization, resize: nn.Module | None
) -> tuple[float | None, float]:
    found = logits(network, images.images, normalization=normalization, resize=resize)
    labels = images.labels.cpu()
    loss = float(functional.cross_entropy(found, labels))
    return loss if math.isfinite(loss) else None, float((found.argmax(1) == labels).float().mean())
