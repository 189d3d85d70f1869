"""SGD and Adam whose learning rate and weight decay may be tensors: one value per stacked network.

They are ordinary torch optimizers with one parameter group a tensor, `lr` and `weight_decay` broadcasting
against it. torch's own take one number a group, so stacked networks could not differ in them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

Rate = float | torch.Tensor


def optimizer(name: str, parameters: Sequence[tuple[torch.Tensor, Rate, Rate]], *, momentum: float = 0.9) -> Optimizer:
    """The optimizer `name` (one of `heads.neural.space.OPTIMIZERS`) over (tensor, learning rate, weight decay) triples.

    sgd has heavy-ball `momentum` and adds the decay to the gradient, as torch.optim.SGD; adam likewise
    (Kingma and Ba, 2015), with `momentum` as beta1 and beta2 0.999; adamw shrinks the weights by lr x decay
    instead (Loshchilov and Hutter, 2019).
    """
    groups = [{"params": [tensor], "lr": lr, "weight_decay": decay} for tensor, lr, decay in parameters]
    if name == "sgd":
        return StackedSGD(groups, momentum=momentum)
    return StackedAdam(groups, momentum=momentum, decoupled=name == "adamw")


class StackedSGD(Optimizer):
    """v = momentum v + g + decay w;  w -= lr v."""

    def __init__(self, groups: list[dict[str, Any]], *, momentum: float) -> None:
        super().__init__(groups, {"momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        for group, weight, gradient in _with_gradient(self.param_groups):
            direction = gradient.add(weight * group["weight_decay"])
            state = self.state[weight]
            if "velocity" in state:
                direction = state["velocity"].mul_(group["momentum"]).add_(direction)
            elif group["momentum"]:
                state["velocity"] = direction
            weight.sub_(direction * group["lr"])


class StackedAdam(Optimizer):
    """Adam with bias correction; `decoupled` decay makes it AdamW."""

    def __init__(self, groups: list[dict[str, Any]], *, momentum: float, decoupled: bool) -> None:
        super().__init__(groups, {"betas": (momentum, 0.999), "eps": 1e-8, "decoupled": decoupled})
        self._scratch: dict[torch.Tensor, torch.Tensor] = {}  # fresh memory every step would cost more than the sums

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        for group, weight, gradient in _with_gradient(self.param_groups):
            if group["decoupled"]:
                weight.mul_(1 - group["lr"] * group["weight_decay"])
            else:
                gradient = gradient.add(weight * group["weight_decay"])
            state = self.state[weight]
            if not state:
                state.update(count=0, mean=torch.zeros_like(weight), square=torch.zeros_like(weight))
            state["count"] += 1
            first, second = group["betas"]
            state["mean"].lerp_(gradient, 1 - first)
            state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
            correction = (1 - second ** state["count"]) ** 0.5
            if weight not in self._scratch:
                self._scratch[weight] = torch.empty_like(weight)
            spread = self._scratch[weight]
            # 1e-30 is nothing beside eps; it keeps square roots of denormal numbers away, which are 30 times slower.
            torch.add(state["square"], 1e-30, out=spread).sqrt_().add_(group["eps"] * correction)
            spread.div_(group["lr"] * (correction / (1 - first ** state["count"])))
            weight.addcdiv_(state["mean"], spread, value=-1)


def _with_gradient(groups: list[dict[str, Any]]):
    for group in groups:
        for weight in group["params"]:
            if weight.grad is not None:
                yield group, weight, weight.grad
