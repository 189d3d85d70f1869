"""Averages of weights over the course of training: exponential (EMA), and lookahead's slow weights."""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


def _values(network: nn.Module) -> dict[str, Tensor]:
    """The floating-point parameters and buffers of a network, by name."""
    return {name: value for name, value in network.state_dict().items() if value.is_floating_point()}


@torch.no_grad()
def _copy(target: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])


class Average:
    """A moving average of the weights and statistics of `network`, on its device.

    `move(share)` brings it that share of the way towards the present values.
    """

    def __init__(self, network: nn.Module) -> None:
        self._present = _values(network)
        self.values = {name: value.clone() for name, value in self._present.items()}

    @torch.no_grad()
    def move(self, share: float) -> None:
        """Averages the present values in."""
        lerp = torch._foreach_lerp_  # pyright: ignore[reportPrivateImportUsage]
        lerp(list(self.values.values()), list(self._present.values()), share)

    @torch.no_grad()
    def give_back(self) -> None:
        """Overwrites the network's values with the average."""
        _copy(self._present, self.values)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """The network has the averaged values inside, and its own again afterwards."""
        own = {name: value.clone() for name, value in self._present.items()}
        self.give_back()
        try:
            yield
        finally:
            _copy(self._present, own)

    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Sets the average to what `values` was in an earlier process."""
        _copy(self.values, values)


class Ema(Average):
    """The exponential average with `decay`, which starts lower so that the first weights are soon forgotten."""

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        super().__init__(network)
        self._decay = decay

    def after_update(self, done: int) -> None:
        """Averages in the weights after update number `done` (from 1)."""
        self.move(1 - min(self._decay, (1 + done) / (10 + done)))


class Lookahead(Average):
    """Slow weights that follow every `interval` updates, and to which the network then returns.

    (Zhang et al., NeurIPS 2019, as airbench has it: the slow weights hold on ever more towards the end, with
    0.95^interval x progress^3, and are the result of a training that goes on to its last epoch.)
    """

    def __init__(self, network: nn.Module, *, interval: int, total_steps: int) -> None:
        super().__init__(network)
        self._interval, self._total_steps = interval, total_steps

    def after_update(self, done: int) -> None:
        """Moves both weights where update number `done` (from 1) is one at which they meet."""
        if done % self._interval == 0:
            self.move(1 - 0.95**self._interval * (done / self._total_steps) ** 3)
            self.give_back()
        if done == self._total_steps:
            self.give_back()
