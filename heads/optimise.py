"""The training loop, the only one in the project: one head, a stack of heads, or a whole network.

It knows epochs, steps, the schedule, and nothing of what is trained: that is in `loss` and `batches`. It
reads nothing back from the device until an epoch ends.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch.optim import Optimizer

from heads.schedule import Schedule

Batch = TypeVar("Batch")
Sums = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Step:
    """What `loss` gives for one batch: the scalar to differentiate, and detached sums over the batch's rows.

    `sums` may have an axis for stacked networks; `row_count` is what they are to be divided by.
    """

    loss: torch.Tensor
    sums: Sums
    row_count: int


@dataclass(frozen=True)
class Epoch:
    """One finished epoch: its number from 0, and the means over its rows of what `Step.sums` counted.

    A mean is a float, or a list with one float per stacked network.
    """

    index: int
    means: dict[str, float | list[float]]


def train(
    loss: Callable[[Batch], Step],
    batches: Callable[[int], Iterable[Batch]],
    *,
    optimiser: Optimizer,
    schedule: Schedule,
    epochs: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
    clip_norm: float | None = None,
    after_step: Callable[[], None] | None = None,
) -> Iterator[Epoch]:
    """Yields an `Epoch` after each of `epochs` passes; the caller evaluates, keeps the best, saves, or stops.

    `batches(epoch)` gives that epoch's batches, the same for the same number, so that training which is
    resumed at `first_epoch` (with the optimiser's state restored) goes on as if never stopped. The learning
    rate of each parameter group is its value at the call x `schedule(step)`; `clip_norm` bounds the global
    gradient norm; `after_step` runs after every update (averaged weights, for example). Numerics such as
    autocast belong in `loss`. Stop by leaving the iteration.
    """
    rates = [group["lr"] for group in optimiser.param_groups]
    parameters = [weight for group in optimiser.param_groups for weight in group["params"]]
    step = first_epoch * steps_per_epoch
    try:
        for epoch in range(first_epoch, epochs):
            totals = _Totals()
            for batch in batches(epoch):
                _set_rates(optimiser, rates, schedule(step))
                taken = loss(batch)
                optimiser.zero_grad(set_to_none=True)
                taken.loss.backward()
                if clip_norm is not None:
                    torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
                optimiser.step()
                if after_step is not None:
                    after_step()
                totals.add(taken)
                step += 1
            yield Epoch(index=epoch, means=totals.means())
    finally:
        _set_rates(optimiser, rates, 1.0)


def _set_rates(optimiser: Optimizer, rates: list, factor: float) -> None:
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate * factor


class _Totals:
    """Sums of an epoch, on the device until `means` asks for them."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._row_count = 0

    def add(self, step: Step) -> None:
        for name, value in step.sums.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._row_count += step.row_count

    def means(self) -> dict[str, float | list[float]]:
        return {name: (total / max(self._row_count, 1)).tolist() for name, total in self._sums.items()}
