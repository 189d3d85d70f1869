"""Random numbers by key: the same for the same key on every machine and device, whatever was drawn before."""

import hashlib

import torch
from torch import Tensor

Key = tuple[int | str, ...]


def generator(key: Key) -> torch.Generator:
    """A CPU generator that depends on `key` alone."""
    return torch.Generator().manual_seed(number(key))


def number(key: Key) -> int:
    """A seed in [0, 2^63) from `key`."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def uniform(shape: tuple[int, ...], *, key: Key) -> Tensor:
    """float32 in [0, 1)."""
    return torch.rand(shape, generator=generator(key))


def integers(below: int, shape: tuple[int, ...], *, key: Key) -> Tensor:
    """int64 in [0, below)."""
    return torch.randint(below, shape, generator=generator(key))


def permutation(count: int, *, key: Key) -> Tensor:
    """The numbers below `count` in random order, int64 [count]."""
    return torch.randperm(count, generator=generator(key))


def reseed(device: torch.device, seed: int) -> None:
    """Seeds the global generators that layers on `device` draw from, and no other: the processor's, and that GPU's.

    `torch.manual_seed` seeds those of all GPUs, which would stay so for whoever else draws from them.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        place = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[place].manual_seed(seed)
