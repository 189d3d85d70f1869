"""What a search over one kind of head is: the options to try, and a trial of each on validation rows."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from scipy.special import log_softmax

from heads.base import Head, Progress
from heads.metrics import ROW_LOSS_LIMIT
from heads.sample import training_sample

Primitive = str | int | float | bool | None | tuple["Primitive", ...]


@dataclass(frozen=True)
class Split:
    """The training split in two: rows to learn from, and validation rows to choose by. No test data.

    features [N, D] and validation_features [M, D] on the computing device; targets int64 [N] and validation_targets
    int64 [M] are class indices below class_count. Every class occurs in targets. The N rows are `views` blocks, each of
    the same images in the same order.
    """

    features: torch.Tensor
    targets: torch.Tensor
    validation_features: torch.Tensor
    validation_targets: torch.Tensor
    class_count: int
    views: int = 1

    @property
    def sample(self) -> torch.Tensor:
        """int64 numbers of the training rows that are scored beside the validation rows, of view 0 as these are."""
        return torch.from_numpy(training_sample(len(self.targets) // self.views)).to(self.targets.device)


@dataclass(frozen=True)
class Candidate:
    """One trial: the head's options, its logits float32 [M, K] on the validation rows, and facts about the fit.

    `apply` gives logits [N, K], or multiples of them, of other features [N, D] by the very head of the trial.
    `curves` are values per epoch, by name, of heads that learn in epochs.
    """

    options: dict[str, Primitive]
    logits: np.ndarray
    facts: dict[str, float | int | bool]
    apply: Callable[[torch.Tensor], torch.Tensor]
    curves: dict[str, list[float]] = field(default_factory=dict)


class Space(ABC):
    """The options of one kind of head that a search tries. Subclasses are frozen dataclasses of primitives."""

    kind: ClassVar[str]
    criterion: ClassVar[str] = "log_loss"
    # Whether `temperature` None has the head fit one to its training rows, each judged by all the others.
    fits_temperature: ClassVar[bool] = False
    # Whether the head takes the number of views, of which its rows are so many blocks, as `views`.
    averages_views: ClassVar[bool] = False
    # What the seed draws of a fit, beside the validation rows. A head with one solution draws nothing.
    drawn: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def candidates(
        self, split: Split, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Yields a trial of every candidate, the most regularized first (it wins ties).

        `criterion` (log_loss or accuracy) is what epochs are judged by, in heads that learn in epochs; `progress`
        counts these.
        """

    @abstractmethod
    def count(self) -> int:
        """How many candidates there are."""

    def trials(self, split: Split) -> int:
        """How many candidates there will be on `split`."""
        return self.count()

    @abstractmethod
    def head(self, options: dict[str, Primitive], *, seed: int, device: str) -> Head:
        """The unfitted head for the `options` of a candidate."""

    @abstractmethod
    def usual(self) -> dict[str, Primitive]:
        """The options for when rows are too few to choose by: of the grid, those nearest to the head's defaults."""

    @abstractmethod
    def only(self) -> dict[str, Primitive]:
        """The options of the one head of this space; InvalidInputError where it has several.

        For training on everything: there is no validation split to choose by.
        """


@dataclass(frozen=True)
class ValidationScore:
    """What validation rows say of a trial: log loss, to which a row adds at most `ROW_LOSS_LIMIT`, and accuracy.

    Where a logit is not finite the loss is infinite and the accuracy 0.
    """

    log_loss: float
    accuracy: float

    @classmethod
    def of(cls, trial: Candidate, targets: np.ndarray) -> "ValidationScore":
        """The judgement of `trial` for class indices [M]."""
        logits = trial.logits.astype(np.float64)
        if not np.isfinite(logits).all():
            return cls(float("inf"), 0.0)
        own = -log_softmax(logits, axis=1)[np.arange(len(targets)), targets]
        accuracy = (logits.argmax(axis=1) == targets).mean()
        return cls(float(np.minimum(own, ROW_LOSS_LIMIT).mean()), float(accuracy))

    def cost(self, criterion: str) -> float:
        """What is least for the best trial; infinite for one that is never chosen."""
        return self.log_loss if criterion == "log_loss" or np.isinf(self.log_loss) else 1.0 - self.accuracy


def nearest_in(grid: Iterable[float], usual: float) -> float:
    """The entry of `grid` nearest to `usual` by ratio; of equally near ones the first."""
    return min(grid, key=lambda value: abs(math.log(value / usual)))
