"""Optimizers of whole networks: torch's own, over parameter groups that share a rate and a decay."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from finetune.architectures import modes, networks
from finetune.recipes import Recipe
from heads.neural.optimize import Optimizer

Group = dict[str, Any]


def optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimizer over the trainable parameters of `network`; `lr` of a group is its peak rate."""
    groups = parameter_groups(network, recipe)
    if recipe.optimizer == "muon":
        return Muon(groups, network=network, recipe=recipe)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, betas=(recipe.momentum, 0.999))
    nesterov = recipe.optimizer == "nesterov" and recipe.momentum > 0
    return torch.optim.SGD(groups, momentum=recipe.momentum, nesterov=nesterov, lr=recipe.learning_rate)


def parameter_groups(network: nn.Module, recipe: Recipe) -> list[Group]:
    """Groups with `params`, `lr` and `weight_decay`: one for every rate and decay that occurs.

    Matrices and kernels decay; vectors, scalars and what the network itself exempts do not. Norm biases have
    `bias_lr_scale` times the rate, and with `bias_decay` shrink as fast as the weights do.
    """
    factors = modes.rate_factors(network, layer_decay=recipe.layer_decay) if recipe.layer_decay < 1 else {}
    norm_biases = {id(bias) for bias in networks.bias_parameters(network)}
    exempt = set(network.no_weight_decay()) if hasattr(network, "no_weight_decay") else set()  # type: ignore[operator]
    groups: dict[tuple[float, float], Group] = {}
    for name, weight in network.named_parameters():
        if not weight.requires_grad:
            continue
        multiplier = recipe.bias_lr_scale if id(weight) in norm_biases else 1.0
        rate = recipe.learning_rate * factors.get(name, 1.0) * multiplier
        decays = (weight.ndim > 1 and name not in exempt) or (recipe.bias_decay and name.endswith("bias"))
        decay = recipe.weight_decay / multiplier if decays else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(weight)
    return list(groups.values())


class Muon:
    """Muon (Jordan et al., 2024) for kernels and matrices, AdamW for the rest, at one learning rate.

    Kernels are orthogonalised as matrices [out, in x height x width]. The classifier, and layers that see the
    images, are AdamW's, as Muon's authors advise; so Muon's steps are scaled to the size of AdamW's.
    """

    def __init__(self, groups: Sequence[Group], *, network: nn.Module, recipe: Recipe) -> None:
        ends = _ends(network)
        self._pairs: list[tuple[Tensor, nn.Parameter]] = []
        flat, plain = [], []
        for group in groups:
            inner = [weight for weight in group["params"] if weight.ndim > 1 and id(weight) not in ends]
            views = [nn.Parameter(_matrix(weight.detach())) for weight in inner]
            self._pairs += zip(inner, views, strict=True)
            flat.append({**group, "params": views})
            plain.append(
                {**group, "params": [weight for weight in group["params"] if id(weight) in ends or weight.ndim < 2]}
            )
        self._parts: list[torch.optim.Optimizer] = []
        if flat := [group for group in flat if group["params"]]:
            self._parts.append(torch.optim.Muon(flat, momentum=recipe.momentum, adjust_lr_fn="match_rms_adamw"))
        if plain := [group for group in plain if group["params"]]:
            self._parts.append(torch.optim.AdamW(plain, betas=(recipe.momentum, 0.999)))
        self._weights = [weight for group in groups for weight in group["params"]]

    @property
    def param_groups(self) -> list[Group]:
        """The groups of both parts."""
        return [group for part in self._parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients."""
        for weight in self._weights:
            weight.grad = None
        for _, view in self._pairs:
            view.grad = None

    def step(self) -> None:
        """Moves every parameter that has a gradient."""
        for weight, view in self._pairs:
            view.grad = None if weight.grad is None else _matrix_like(weight.grad, weight)
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both parts."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        for part, kept in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(kept)


def _ends(network: nn.Module) -> set[int]:
    """The parameters of the first layer with a kernel or matrix and of the classifier."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)), network)
    return {id(weight) for end in (first, networks.classifier(network)) for weight in end.parameters()}


def _matrix(weight: Tensor) -> Tensor:
    """A view of `weight` as a matrix; the order of its columns follows memory, and does not matter to Muon."""
    if weight.ndim == 4 and not weight.is_contiguous():
        return weight.permute(0, 2, 3, 1).flatten(1)
    return weight.flatten(1)


def _matrix_like(gradient: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim == 4 and not weight.is_contiguous():
        return gradient.permute(0, 2, 3, 1).flatten(1)
    return gradient.flatten(1)
