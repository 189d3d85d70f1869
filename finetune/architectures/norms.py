"""Normalization layers as the families take them: alone, or with a ReLU behind."""

import math
from collections.abc import Callable

import torch
from timm.layers.norm_act import BatchNormAct2d, GroupNormAct
from torch import nn

Factory = Callable[..., nn.Module]


def plain(norm: str) -> Factory | None:
    """Makes a "batch" or "group" layer from a number of channels; None for "none"."""
    return {"batch": nn.BatchNorm2d, "group": _group, "none": None}[norm]


def activated(norm: str) -> Factory:
    """Makes a "batch" or "group" layer with a ReLU behind it (timm's), from a number of channels."""
    return {"batch": BatchNormAct2d, "group": _group_activated}[norm]


def groups(channels: int) -> int:
    """The number of groups: 32 as in Wu and He (2018), or the largest power of two below that divides `channels`."""
    return math.gcd(channels, 32)


def _group(channels: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> nn.Module:
    return nn.GroupNorm(groups(channels), channels, device=device, dtype=dtype)


def _group_activated(channels: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> nn.Module:
    return GroupNormAct(channels, num_groups=groups(channels), device=device, dtype=dtype)
