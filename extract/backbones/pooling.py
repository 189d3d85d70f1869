"""Pooling of a network's last maps, or of those of chosen stages, to one embedding."""

import torch
from torch import Tensor, nn

from extract.errors import InvalidInputError, unknown

POOLS = ("network", "avg", "max", "avgmax")


class Pooled(nn.Module):
    """The feature maps of chosen stages, each pooled over its positions, side by side: [B, sum of widths].

    `layers` are timm's stage indices (negative from the end); `pool` is "avg", "max" or "avgmax" (both,
    concatenated).
    """

    def __init__(self, network: nn.Module, *, layers: tuple[int, ...], pool: str) -> None:
        super().__init__()
        self.network = network
        self.layers = list(layers)
        self.pool = pool

    def forward(self, images: Tensor) -> Tensor:
        maps: list[Tensor] = self.network.forward_intermediates(  # type: ignore[operator]
            images, indices=self.layers, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        parts = []
        for one in maps:
            if self.pool in ("avg", "avgmax"):
                parts.append(one.mean((2, 3)))
            if self.pool in ("max", "avgmax"):
                parts.append(one.amax((2, 3)))
        return torch.cat(parts, 1)


def pooled(network: nn.Module, *, pool: str, layers: tuple[int, ...] | None) -> nn.Module:
    """`network` itself, or with its stages pooled as `load` says; InvalidInputError where it gives no stages."""
    if pool not in POOLS:
        raise unknown("pool", name=pool, known=POOLS)
    if pool == "network" and layers is None:
        return network
    if not hasattr(network, "forward_intermediates"):
        raise InvalidInputError(
            f"backbone must give its stages for --pool and --layers; got {type(network).__name__}, which cannot. "
            "Leave both options out."
        )
    return Pooled(network, layers=layers or (-1,), pool="avg" if pool == "network" else pool)
