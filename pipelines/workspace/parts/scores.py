"""Scores in the record of a run, and what every part of a record is: a frozen structure that is checked when read."""

from types import NoneType
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from extract.runtime.typed_json import LARGEST, Count, Number, Share

Interval = tuple[Share, Share]
Options = dict[str, Any]
RunName = Annotated[str, Meta(pattern=r"\A[0-9a-f]{12}\Z")]


def null() -> Any:
    """The default of a field that is null, and not left out, where it is None."""
    return field(default_factory=NoneType)


class RecordPart(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Part of a record."""


class Calibration(RecordPart, frozen=True, kw_only=True):
    """Calibration of scores; an error up to `calibration_limit` is indistinguishable from perfect calibration."""

    log_loss: Number | None
    calibration_error: Number | None
    calibration_limit: Number | None

    @property
    def is_perfect(self) -> bool:
        """Whether nothing is seen that perfect calibration would not show on as many images."""
        error, limit = self.calibration_error, self.calibration_limit
        return error is not None and limit is not None and error <= limit


class ClassScores(RecordPart, frozen=True, kw_only=True):
    """Scores of one class (`heads.imbalance.by_class.ClassScores`)."""

    rows: Count
    precision: Share | None
    precision_interval: Interval | None
    recall: Share | None
    recall_interval: Interval | None
    f1: Share | None
    f1_interval: Interval | None


class SplitScores(Calibration, frozen=True, kw_only=True):
    """Scores on one split (`heads.metrics.Scores`)."""

    rows: Annotated[int, Meta(ge=1, le=LARGEST)]
    accuracy: Share
    interval: Interval
    top5: Share | None
    per_class: list[Share | None]
    confusion: list[list[Count]]
    balanced_accuracy: Share | None = None
    balanced_accuracy_interval: Interval | None = None
    macro_f1: Share | None = None
    macro_f1_interval: Interval | None = None
    by_class: list[ClassScores] | None = None

    def __post_init__(self) -> None:
        if any(len(row) != len(self.confusion) for row in self.confusion):
            raise ValueError("its confusion matrix is not square")
        if self.interval[0] > self.interval[1]:
            raise ValueError("its interval ends before it begins")


class TrainingScore(RecordPart, frozen=True, kw_only=True):
    """Accuracy on `rows` training images (`heads.training_sample`) in evaluation mode.

    `accuracy` is that of what the validation images scored, `kept_accuracy` of what is kept: another one after a refit.
    """

    rows: Count
    accuracy: Share
    kept_accuracy: Share


class ShotsRow(RecordPart, frozen=True, kw_only=True):
    """Accuracy with so many labels a class, over draws."""

    labels_per_class: Count
    accuracies: list[Share]
    mean: Share
    deviation: Share | None
    least: Share
    greatest: Share
