"""What the curves of a training say by a stated rule: its best epoch, whether it over-fits or under-fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RISE = 1.05  # validation loss above its least by this factor is over-fitting
CLOSE, PERFECT = 0.01, 0.99  # under-fitting: training ahead by less than the one, itself below the other
RULE = (
    "Best epoch: highest validation accuracy (least validation loss where no accuracy was kept), the first of equals. "
    "Over-fitting: validation loss ends more than 5 % above its least while the training loss has fallen since; shaded "
    "from that epoch. Under-fitting: at the best epoch training is less than one point ahead of validation accuracy, "
    "and below 99 %. Training accuracy is measured on augmented images where a run augments."
)


@dataclass(frozen=True)
class Verdict:
    """What the rule says of one run. Epochs count from 1; `gap` is training minus validation accuracy, a fraction."""

    best_epoch: int | None
    gap: float | None
    overfits_from: int | None
    underfits: bool

    def sentence(self) -> str:
        """The verdict in words."""
        parts = [] if self.best_epoch is None else [f"best epoch {self.best_epoch}"]
        if self.gap is not None:
            parts.append(f"gap {100 * self.gap:.1f} points")
        if self.overfits_from is not None:
            parts.append(f"over-fitting after epoch {self.overfits_from}")
        if self.underfits:
            parts.append("under-fitting")
        sentence = ", ".join(parts) or "no validation curve"
        return sentence[0].upper() + sentence[1:] + "."


def judge(curves: Any) -> Verdict:
    """The `Verdict` on curves (name -> values an epoch, None where not finite)."""
    accuracy, loss = curves.get("validation_accuracy", ()), curves.get("validation_loss", ())
    best = _first(accuracy, largest=True)
    best = _first(loss, largest=False) if best is None else best
    gap = _difference(curves.get("training_accuracy", ()), accuracy, best)
    trained = _at(curves.get("training_accuracy", ()), best)
    turned = _turning_point(loss, curves.get("training_loss", ()))
    under = turned is None and gap is not None and trained is not None and gap < CLOSE and trained < PERFECT
    return Verdict(None if best is None else best + 1, gap, turned, under)


def _first(values: Sequence[float | None], *, largest: bool) -> int | None:
    known = [value for value in values if value is not None]
    return values.index((max if largest else min)(known)) if known else None


def _at(values: Sequence[float | None], index: int | None) -> float | None:
    return values[index] if index is not None and index < len(values) else None


def _difference(train: Sequence[float | None], held: Sequence[float | None], index: int | None) -> float | None:
    ahead, behind = _at(train, index), _at(held, index)
    return None if ahead is None or behind is None else ahead - behind


def _turning_point(held: Sequence[float | None], train: Sequence[float | None]) -> int | None:
    """The epoch (from 1) of the least validation loss, where the rule calls what follows over-fitting."""
    least = _first(held, largest=False)
    if least is None or least + 1 >= len(held):
        return None
    start, end = held[least], held[-1]
    falls = _difference(train[-1:], [_at(train, least)], 0)
    risen = end is None or (start is not None and end > RISE * start)
    return least + 1 if risen and (falls is None or falls < 0) else None
