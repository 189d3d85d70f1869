"""Several networks of one shape as one network that gives the mean of their logits."""

from collections.abc import Sequence

import torch

from heads.logistic.design import Standardization, signed_power


def merged(networks: Sequence[list[torch.Tensor]]) -> list[torch.Tensor]:
    """[W1, b1, W2, b2, ...] of one network whose logits are the mean of those of `networks` of that form.

    Hidden values stand side by side: the first layer is theirs in a row, later ones are block-diagonal, and
    the last adds up and divides.
    """
    if len(networks) == 1:
        return networks[0]
    count, length = len(networks), len(networks[0])
    layers: list[torch.Tensor] = []
    for depth in range(0, length, 2):
        weights = [network[depth] for network in networks]
        biases = [network[depth + 1] for network in networks]
        first, last = depth == 0, depth == length - 2
        if first and last:
            layers += [torch.stack(weights).mean(0), torch.stack(biases).mean(0)]
        elif last:
            layers += [torch.cat(weights) / count, torch.stack(biases).mean(0)]
        else:
            layers += [torch.cat(weights, dim=1) if first else torch.block_diag(*weights), torch.cat(biases)]
    return layers


def network_logits(
    layers: Sequence[torch.Tensor], features: torch.Tensor, *, standard: Standardization, power: float = 1.0
) -> torch.Tensor:
    """float32 [N, K] of the network [W1, b1, W2, b2, ...] with ReLU between, for `features` [N, D], which are first
    raised to `power` (`heads.logistic.design.signed_power`) and standardized.

    Computed in float64 in blocks of rows on the device of the layers, and rounded once: one image gives the
    same logits alone and in a batch.
    """
    wide = [layer.double() for layer in layers]
    blocks = []
    for block in features.split(2048):
        values = standard.apply(signed_power(block.to(wide[0].device).double(), power), torch.float64)
        for depth in range(0, len(wide), 2):
            values = torch.addmm(wide[depth + 1], values.relu() if depth else values, wide[depth])
        blocks.append(values.float())
    return torch.cat(blocks)
