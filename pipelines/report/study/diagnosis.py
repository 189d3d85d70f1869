"""Diagnosis of a training by stated rules: large gap, over-fitting, not converged, under-fitting, or fine."""

from collections.abc import Sequence
from dataclasses import dataclass

from extract.runtime.formats import percent
from heads.registry import is_own_neighbor
from pipelines.report.page.text import MINUS
from pipelines.workspace.schema import DoneRecord

LARGE = 0.10  # gap between training and validation accuracy from which it is called large
RISE = 1.05  # validation loss above its least by this factor is over-fitting
CLIMB = 0.01  # rise of the validation accuracy over the last tenth of the epochs above which it has not converged
LOW = 0.90  # training accuracy below which a run may be called under-fitting
KEPT_BY = {
    "log_loss": "least validation loss",
    "accuracy": "highest validation accuracy",
    "balanced_accuracy": "highest balanced validation accuracy",
    "macro_f1": "highest validation macro F1",
    "last": "the last",
}
RULE = (
    "Training accuracy is measured as validation accuracy is: in evaluation mode, without augmentation, mixup or "
    "dropout, on a fixed sample of at most 2,000 training images. The running accuracy (dashed) is that of the batches "
    "while the weights move. Gap: training minus validation accuracy of what was kept. Large gap: 10 points or more. "
    "Over-fitting from an epoch: the validation loss is least there and ends more than 5 % higher, while the training "
    "loss has fallen since; shaded. Not converged: the last tenth of the epochs raised the best validation accuracy by "
    "more than 1 point. Under-fitting: training accuracy below 90 %, without a large gap or over-fitting. Fine: none "
    "of these."
)
NO_VALIDATION = "No validation split, so no gap: --validation 0.1 makes one."


@dataclass(frozen=True)
class Diagnosis:
    """Diagnosis of one run by a fixed rule. Epochs count from 1; accuracies are fractions, None where not known."""

    kept_epoch: int | None
    kept_by: str | None
    training: float | None
    validation: float | None
    overfits_from: int | None
    climbs: bool = False

    @property
    def gap(self) -> float | None:
        """Training minus validation accuracy; None without either."""
        return None if self.training is None or self.validation is None else self.training - self.validation

    def remark(self) -> str:
        """Verdict on the gap and the curves: "fine" where no rule fits, empty where no gap is known."""
        words = ["large gap"] if self.gap is not None and _shown(self.gap) >= _shown(LARGE) else []
        words += [] if self.overfits_from is None else [f"over-fitting from epoch {self.overfits_from}"]
        low = self.gap is not None and self.training is not None and _shown(self.training) < _shown(LOW)
        words += ["under-fitting"] if low and not words else []
        words += ["not converged"] if self.climbs and self.overfits_from is None else []
        words += ["no validation split"] if self.validation is None else []
        words += ["fine"] if self.gap is not None and not words else []
        return ", ".join(words)

    def sentence(self) -> str:
        """The diagnosis in words."""
        kept = f"Kept: epoch {self.kept_epoch}, {KEPT_BY[self.kept_by or 'last']}."
        parts = [] if self.kept_epoch is None else [kept]
        if self.gap is not None:
            both = f"training {percent(self.training, 1)}, validation {percent(self.validation, 1)}"
            parts.append(f"Gap {points(self.gap).replace('-', MINUS)} points ({both}).")
        elif self.training is not None:
            parts.append(f"Training accuracy {percent(self.training, 1)}.")
        if self.validation is None:
            parts.append(NO_VALIDATION)
        elif self.remark():
            parts.append(f"{self.remark()[0].upper()}{self.remark()[1:]}.")
        return " ".join(parts)


def points(share: float) -> str:
    """A difference of fractions as points, never -0.0."""
    return f"{round(100 * share, 1) + 0.0:.1f}"


def _shown(share: float) -> float:
    """A fraction in points, as it is shown: the rules go by the number that the reader sees."""
    return float(points(share))


def diagnose(record: DoneRecord) -> Diagnosis:
    """Apply the rule to the record of a run that is done."""
    # A training image that is among its own nearest neighbors says nothing.
    training = None if is_own_neighbor(record.head) else record.training
    return Diagnosis(
        kept_epoch=record.choice.kept_epoch,
        kept_by=record.choice.kept_by,
        training=training and training.accuracy,
        validation=record.validation and record.validation.accuracy,
        overfits_from=_turning_point(record.curves.get("validation_loss", ()), record.curves.get("training_loss", ())),
        climbs=_climbs(record.curves.get("validation_accuracy", ())),
    )


def _climbs(accuracies: Sequence[float | None]) -> bool:
    """Whether the last tenth of the epochs, one at least, raised the best validation accuracy by more than `CLIMB`."""
    last = -(-len(accuracies) // 10)
    before, after = ([one for one in part if one is not None] for part in (accuracies[:-last], accuracies[-last:]))
    return bool(before and after) and round(max(after) - max(before), 6) > CLIMB


def _turning_point(held: Sequence[float | None], train: Sequence[float | None]) -> int | None:
    """The epoch (from 1) of the least validation loss, where the rule calls what follows over-fitting."""
    known = [value for value in held if value is not None]
    if not known:
        return None
    least, end = held.index(min(known)), held[-1]
    if least + 1 >= len(held) or (end is not None and end <= RISE * min(known)):
        return None
    before, after = (train[place] if least < len(train) else None for place in (least, -1))
    return least + 1 if before is None or after is None or after < before else None
