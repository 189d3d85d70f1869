"""The training loop, the only one in the project: one head, a stack of heads, or a whole network.

It knows epochs, steps, the schedule, and nothing of what is trained: that is in `loss` and `batches`. It
reads nothing back from the device until an epoch ends.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch

from heads.neural.schedule import Schedule

Batch = TypeVar("Batch")
Sums = Mapping[str, torch.Tensor]


class Optimizer(Protocol):
    """Optimizer interface of the training loop; every torch.optim.Optimizer has it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters and their rates, by group."""
        ...

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients."""
        ...

    def step(self) -> object:
        """Moves the parameters."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """State for `load_state_dict`."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        ...


@dataclass(frozen=True)
class Step:
    """Loss of one batch: the scalar to differentiate, and detached sums over the batch's rows.

    `sums` may have an axis for stacked networks; `row_count` is what they are to be divided by.
    """

    loss: torch.Tensor
    sums: Sums
    row_count: int


@dataclass
class Totals:
    """Sums of an epoch up to its update number `step`, on the device until `means` asks for them."""

    step: int = 0
    row_count: int = 0
    sums: dict[str, torch.Tensor] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Counts one batch."""
        for name, value in step.sums.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.row_count += step.row_count

    def means(self) -> dict[str, float | list[float]]:
        """The sums over their rows, read from the device."""
        return {name: (total / max(self.row_count, 1)).tolist() for name, total in self.sums.items()}


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number from 0, and the means over its rows of what `Step.sums` counted.

    A mean is a float, or a list with one float per stacked network. `complete` is False for an epoch that
    `stop` cut short; its `totals` are then what `train` needs to go on.
    """

    index: int
    means: dict[str, float | list[float]]
    complete: bool = True
    totals: Totals = field(default_factory=Totals)


def train(
    loss: Callable[[Batch], Step],
    batches: Callable[[int], Iterable[Batch]],
    *,
    optimizer: Optimizer,
    schedule: Schedule,
    epochs: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
    before_step: Callable[[], object] | None = None,
    after_step: Callable[[], None] | None = None,
    accumulate: int = 1,
    begun: Totals | None = None,
    stop: Callable[[Totals], bool] | None = None,
) -> Iterator[Epoch]:
    """Yields an `Epoch` after each of `epochs` passes; the caller evaluates, keeps the best, saves, or stops.

    `batches(epoch)` gives that epoch's batches, the same for the same number. Training that is resumed at
    `first_epoch`, or with the `totals` of an unfinished epoch as `begun`, and with the optimizer's state restored, goes
    on as if never stopped. The learning rate of each parameter group is its value at the call x `schedule(step)`.
    `before_step` and `after_step` run around every update (gradient clipping, averaged weights). `accumulate` batches
    add up their gradients for one update; `loss` weighs them, and holds numerics such as autocast. When `stop(totals)`
    says True after an update, the unfinished epoch is yielded and the iteration ends.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    try:
        for epoch in range(first_epoch, epochs):
            totals = begun if begun is not None and epoch == first_epoch else Totals()
            parts = itertools.islice(iter(batches(epoch)), totals.step * accumulate, None)
            while part := tuple(itertools.islice(parts, accumulate)):
                _set_rates(optimizer, rates, schedule(epoch * steps_per_epoch + totals.step))
                _update(optimizer, loss, part, totals=totals, before_step=before_step)
                if after_step is not None:
                    after_step()
                if stop is not None and stop(totals) and totals.step < steps_per_epoch:
                    yield Epoch(index=epoch, means=totals.means(), complete=False, totals=totals)
                    return
            yield Epoch(index=epoch, means=totals.means(), totals=totals)
    finally:
        _set_rates(optimizer, rates, 1.0)


def _update(
    optimizer: Optimizer,
    loss: Callable[[Batch], Step],
    part: tuple[Batch, ...],
    *,
    totals: Totals,
    before_step: Callable[[], object] | None,
) -> None:
    """One step along the summed gradients of the batches in `part`."""
    optimizer.zero_grad(set_to_none=True)
    for batch in part:
        taken = loss(batch)
        taken.loss.backward()
        totals.add(taken)
    if before_step is not None:
        before_step()
    optimizer.step()
    totals.step += 1


def _set_rates(optimizer: Optimizer, rates: list, factor: float) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
