"""Subject of a search: a head or a network with some options fixed, and how a trial of it is scored."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from extract.errors import InvalidInputError
from extract.runtime.options import Option, Value
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord

if TYPE_CHECKING:
    from pipelines.workspace.cache import StageResult

Params = Mapping[str, Value]  # the options of a trial by name


@dataclass(frozen=True)
class TrialScore:
    """The score of a trial on the validation images: accuracy, and the log loss that decides between equals.

    `steps` are accuracies by epoch of a trial that could not report them while it ran.
    """

    accuracy: float
    log_loss: float | None = None
    steps: tuple[float, ...] = ()


@dataclass(frozen=True)
class Watch:
    """Channel between a running trial and its search: progress, pruning.

    `report(epoch, accuracy)` after each epoch, counted from 1 (again is no harm); `stop()` asks whether to give up
    now, because the trial is hopeless or the search is out of time. What an interrupted trial needs to go on stands
    in `folder`, which is its own; only the best trial's outlives its trial.
    """

    folder: Path
    report: Callable[[int, float], None]
    stop: Callable[[], bool]


def require_validation(part: float | int | None) -> None:
    """Raises `InvalidInputError` where there is no validation split to search by."""
    if part is None:
        raise InvalidInputError("validation must leave images to search by; got none. Use --validation 0.1.")


class Subject(ABC):
    """A head or a network whose options are searched. It is never given the test split before `settle`."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name, which becomes a part of the search's: "mlp-digits-test_resnet"."""

    @property
    @abstractmethod
    def what(self) -> str:
        """Name of the subject in errors: "the mlp head"."""

    @property
    def epochs(self) -> int | None:
        """Number of epochs that a complete trial reports; None where it reports none and cannot be pruned."""
        return None

    @abstractmethod
    def known(self) -> Mapping[str, Option]:
        """The options that can be searched."""

    @abstractmethod
    def default_space(self) -> dict[str, object]:
        """The built-in search space, as it would stand in a file."""

    @abstractmethod
    def key(self) -> dict[str, object]:
        """All that trials depend on beside the searched options: primitives and digests of inputs."""

    @abstractmethod
    def check(self, options: Params) -> None:
        """Raises `InvalidInputError` where `options`, with those that are fixed, can never be right; reads no data."""

    @abstractmethod
    def check_rows(self, options: Params) -> None:
        """Raises `InvalidInputError` where the data set has too few images for `options`."""

    @abstractmethod
    def score_trial(self, options: Params, watch: Watch, context: Context) -> TrialScore | None:
        """The score of one trial: trained on the training part, scored on the validation part; None if it stopped."""

    @abstractmethod
    def settle(self, options: Params, context: Context, folder: Path) -> "StageResult[DoneRecord]":
        """The answer of the stage that refits `options` on the whole training split and scores the test split.

        `folder` is the winning trial's; it may be gone.
        """
