"""Optimizers of whole networks: torch's own, over parameter groups that share a rate and a decay."""

import fnmatch
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from finetune.architectures import modes, networks
from finetune.recipes import Recipe
from heads.neural.optimize import Optimizer

Group = dict[str, Any]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz iteration (Jordan et al., 2024)


def optimizer(network: nn.Module, recipe: Recipe, *, precision: str = "float32") -> Optimizer:
    """The recipe's optimizer over the trainable parameters of `network`; `lr` of a group is its peak rate.

    `precision` is that of the training, "float32", "bfloat16" or "float16".
    """
    groups = parameter_groups(network, recipe)
    if recipe.optimizer == "muon":
        return Muon(groups, network=network, recipe=recipe, precision=precision)
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
    exempt = network.no_weight_decay() if hasattr(network, "no_weight_decay") else ()  # type: ignore[operator]
    groups: dict[tuple[float, float], Group] = {}
    for name, weight in network.named_parameters():
        if not weight.requires_grad:
            continue
        multiplier = recipe.bias_lr_scale if id(weight) in norm_biases else 1.0
        rate = recipe.learning_rate * factors.get(name, 1.0) * multiplier
        is_exempt = any(fnmatch.fnmatchcase(name, pattern) for pattern in exempt)  # XCiT's are patterns
        decays = (weight.ndim > 1 and not is_exempt) or (recipe.bias_decay and name.endswith("bias"))
        decay = recipe.weight_decay / multiplier if decays else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(weight)
    return list(groups.values())


class Muon:
    """Muon (Jordan et al., 2024) for kernels and matrices, AdamW for the rest, at one learning rate.

    The classifier, and layers that see the images, are AdamW's, as Muon's authors advise; so Muon's steps are scaled
    to the size of AdamW's.
    """

    def __init__(self, groups: Sequence[Group], *, network: nn.Module, recipe: Recipe, precision: str) -> None:
        ends = _ends(network)
        inner: list[Group] = [{**group, "params": []} for group in groups]
        rest: list[Group] = [{**group, "params": []} for group in groups]
        for group, orthogonalized, plain in zip(groups, inner, rest, strict=True):
            for weight in group["params"]:
                (orthogonalized if weight.ndim > 1 and id(weight) not in ends else plain)["params"].append(weight)
        self._parts: list[torch.optim.Optimizer] = []
        if inner := [group for group in inner if group["params"]]:
            self._parts.append(_Orthogonal(inner, momentum=recipe.momentum, precision=precision))
        if rest := [group for group in rest if group["params"]]:
            self._parts.append(torch.optim.AdamW(rest, betas=(recipe.momentum, 0.999)))

    @property
    def param_groups(self) -> list[Group]:
        """The groups of both parts."""
        return [group for part in self._parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none)

    def step(self) -> None:
        """Moves every parameter that has a gradient."""
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both parts."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        for part, kept in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(kept)


class _Orthogonal(torch.optim.Optimizer):
    """Nesterov's momentum with every step orthogonalized; kernels as matrices [out, in x height x width].

    torch.optim.Muon computes in bfloat16 alone: without bfloat16 units, 4 to 9 times as long (benchmarks/muon.py).
    """

    def __init__(self, groups: Sequence[Group], *, momentum: float, precision: str) -> None:
        super().__init__(groups, {"momentum": momentum})
        self._precision = precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: Tensor, gradient: Tensor, group: Group) -> None:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        average = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        matrix = gradient.lerp(average, group["momentum"]).flatten(1)
        rate = group["lr"] * 0.2 * max(matrix.shape) ** 0.5  # the size of AdamW's steps (Liu et al. 2025)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(orthogonal(matrix, self._precision).reshape(weight.shape), alpha=-rate)


def orthogonal(matrix: Tensor, precision: str) -> Tensor:
    """A matrix with the singular vectors of `matrix` and singular values near 1, by five Newton-Schulz steps.

    With "float32" the steps are taken by the smaller Gram matrix, and their product is then multiplied by `matrix`:
    a third of the arithmetic. bfloat16 is too coarse for that.
    """
    a, b, c = COEFFICIENTS
    coarse, tall = precision == "bfloat16", matrix.shape[0] > matrix.shape[1]
    wide = (matrix.T if tall else matrix).to(torch.bfloat16 if coarse else torch.float32)
    wide = wide / wide.norm().clamp(min=1e-7)
    gram, steps = wide @ wide.T, None
    for left in range(5)[::-1]:
        step = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        if coarse:
            wide = torch.addmm(wide, step, wide, beta=a)
            gram = wide @ wide.T if left else gram
        else:
            step.diagonal().add_(a)
            steps = step if steps is None else step @ steps
            gram = step @ gram @ step if left else gram
    wide = wide if steps is None else steps @ wide
    return wide.T if tall else wide


def _ends(network: nn.Module) -> set[int]:
    """The parameters of the first layer with a kernel or matrix and of the classifier."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)), network)
    return {id(weight) for end in (first, networks.classifier(network)) for weight in end.parameters()}
