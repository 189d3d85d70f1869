"""Scores of logits against labels, with their uncertainty, and the paired comparison of two classifiers."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from extract.errors import InvalidInputError
from heads.imbalance.by_class import Balanced, balanced, balanced_accuracy, confusion_matrix, macro_f1
from heads.statistics import accuracy_interval, paired

# The most, in nats, that a validation row adds to a log loss that something is chosen by: a probability counts as at
# least the epsilon of float32, as in scikit-learn's log_loss of float32 probabilities.
ROW_LOSS_LIMIT = float(-np.log(np.finfo(np.float32).eps))
CALIBRATION_BIN_COUNT = 15
CALIBRATION_DRAW_COUNT = 1000
CALIBRATION_LIMIT = 0.975  # the upper end of the 95 % interval
TEMPERATURE_LIMIT = 5.0
PRIOR_ROWS = 20
SHARPENING = 5


class _Record:
    def as_dict(self) -> dict[str, object]:
        """The fields as JSON primitives."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Scores(Balanced, _Record):
    """Scores of N logits. All rates are fractions.

    `interval` is the 95 % interval of the accuracy over the population of such rows (Wilson's). `top5` is None for five
    classes or fewer. `per_class[k]` is the accuracy on the rows of class k (None where it has none), and
    `confusion[i][j]` counts the rows of class i that were called j. `log_loss` is the mean in nats.
    `calibration_error` is the expected calibration error over 15 equal-width bins of confidence; one up to
    `calibration_limit` is indistinguishable from perfect calibration (`statistics.calibration_error`). Scores in which
    every class counts the same, and those of each class, are of `Balanced`.
    """

    rows: int
    accuracy: float
    interval: tuple[float, float]
    top5: float | None
    log_loss: float
    calibration_error: float
    calibration_limit: float
    per_class: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]

    def calibration(self) -> dict[str, float]:
        """Scores that a temperature changes: log loss, calibration error and its limit."""
        names = ("log_loss", "calibration_error", "calibration_limit")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Comparison(_Record):
    """Classifier B against A on the same rows.

    `difference` is accuracy of B minus that of A; `only_a` and `only_b` count the rows that were correct for one
    of them alone. `interval` (95 %) and `p_value` (McNemar's mid-p that the two err equally often) follow one rule
    (`statistics.paired`): zero is outside the one where the other is below 0.05.
    """

    rows: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    interval: tuple[float, float]
    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True)
class ValidationScore:
    """Scores of a trial on validation rows, each of which adds at most `ROW_LOSS_LIMIT` to the loss.

    With class weights the log loss is their weighted mean. Where a logit is not finite the loss is infinite and the
    other scores are 0.
    """

    log_loss: float
    accuracy: float
    balanced_accuracy: float
    macro_f1: float

    @classmethod
    def of(cls, logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> "ValidationScore":
        """The score of `logits` [M, K] for class indices [M]; `weights` [K] are the classes' (None: all the same)."""
        table = logits.astype(np.float64)
        if not np.isfinite(table).all():
            return cls(float("inf"), 0.0, 0.0, 0.0)
        own = np.minimum(-log_softmax(table, axis=1)[np.arange(len(targets)), targets], ROW_LOSS_LIMIT)
        loss = own.mean() if weights is None else np.average(own, weights=weights[targets])
        predicted = table.argmax(axis=1)
        confusion = confusion_matrix(targets, predicted, n_classes=table.shape[1])
        accuracy = float((predicted == targets).mean())
        return cls(float(loss), accuracy, balanced_accuracy(confusion), macro_f1(confusion))

    def cost(self, criterion: str) -> float:
        """The number that is least for the best trial; infinite for one that is never chosen."""
        if criterion == "log_loss" or np.isinf(self.log_loss):
            return self.log_loss
        return 1.0 - getattr(self, criterion)


def scores(
    logits: ArrayLike, labels: ArrayLike, *, classes: ArrayLike | None = None, temperature: float = 1.0
) -> Scores:
    """The `Scores` of `logits` [N, K] for `labels` [N].

    Labels are column numbers, or entries of `classes` [K], the labels that the columns stand for. Logits
    are divided by `temperature` first. Raises InvalidInputError where lengths differ, logits are not finite, a
    label has no column, or the temperature is not positive.
    """
    table, targets = _checked(logits, labels, classes)
    if not 0 < temperature < np.inf:
        raise InvalidInputError(
            f"temperature must be a positive number; got {temperature!r}. Use 1 for the logits as they are."
        )
    log_probabilities = log_softmax(table / temperature, axis=1)
    rows, n_classes = table.shape
    predicted = table.argmax(axis=1)
    correct = predicted == targets
    confusion = confusion_matrix(targets, predicted, n_classes=n_classes)
    error, limit = calibration_error(np.exp(log_probabilities.max(axis=1)), correct)
    return Scores(
        rows=rows,
        accuracy=float(correct.mean()),
        interval=accuracy_interval(int(correct.sum()), rows),
        top5=_top5(table, targets) if n_classes > 5 else None,
        log_loss=float(0.0 - log_probabilities[np.arange(rows), targets].mean()),  # 0 less it: never -0.0
        calibration_error=error,
        calibration_limit=limit,
        per_class=tuple(float(row[k] / row.sum()) if row.sum() else None for k, row in enumerate(confusion)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        **vars(balanced(confusion)),
    )


def compare(logits_a: ArrayLike, logits_b: ArrayLike, *, labels: ArrayLike) -> Comparison:
    """The paired `Comparison` of two sets of logits [N, K] on the same rows; labels [N] are column numbers."""
    table_a, targets = _checked(logits_a, labels, None)
    table_b, _ = _checked(logits_b, labels, None)
    right_a, right_b = table_a.argmax(axis=1) == targets, table_b.argmax(axis=1) == targets
    rows = len(targets)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    found = paired(only_a, only_b, rows)
    return Comparison(
        rows=rows,
        accuracy_a=float(right_a.mean()),
        accuracy_b=float(right_b.mean()),
        difference=found.difference,
        interval=found.interval,
        only_a=only_a,
        only_b=only_b,
        p_value=found.p_value,
    )


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature in [0.2, 5] that suits validation `logits` [M, K], as far as their rows support it.

    It minimizes the log loss (Guo et al., "On calibration of modern neural networks", ICML 2017) and a prior for 1 that
    is worth `PRIOR_ROWS` rows, `SHARPENING` times as many where it would sharpen: rows that are all right would have it
    vanish. Of the temperatures whose loss is within one standard error of that, it is the nearest to 1.

    Labels [M] are column numbers; a row adds at most `ROW_LOSS_LIMIT`. Accuracy does not change. Never fit it on the
    rows that are reported.
    """
    table, targets = _checked(logits, labels, None)

    def cost(log_temperature: float) -> float:
        rows = PRIOR_ROWS * (SHARPENING if log_temperature < 0 else 1)
        return float(row_losses(table, targets, log_temperature).sum() + rows / 2 * log_temperature**2)

    best = least(cost, bound=TEMPERATURE_LIMIT)
    at_best = row_losses(table, targets, best)
    for share in np.linspace(0, 1, 41):
        more = row_losses(table, targets, share * best) - at_best
        if more.mean() <= more.std() / np.sqrt(len(more)):
            return float(np.exp(share * best))
    return float(np.exp(best))


def row_losses(table: np.ndarray, targets: np.ndarray, log_temperature: float) -> np.ndarray:
    """The log loss of each row of logits [M, K] divided by a temperature, at most `ROW_LOSS_LIMIT`: [M]."""
    scaled = log_softmax(table * np.exp(-log_temperature), axis=1)
    return np.minimum(-scaled[np.arange(len(targets)), targets], ROW_LOSS_LIMIT)


def least(cost: Callable[[float], float], *, bound: float) -> float:
    """The logarithm of the temperature in [1 / bound, bound] at which `cost` is least."""
    limit = np.log(bound)
    return float(minimize_scalar(cost, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-4}).x)  # type: ignore[attr-defined]


def _checked(logits: ArrayLike, labels: ArrayLike, classes: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    table, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if table.ndim != 2 or truth.ndim != 1 or len(table) != len(truth) or len(table) == 0:
        raise InvalidInputError(
            f"logits and labels must be arrays [N, K] and [N] of the same N > 0; got shapes {table.shape} "
            f"and {truth.shape}. Pass the labels of these very rows."
        )
    if not np.isfinite(table).all():
        raise InvalidInputError(
            "logits must be finite; got NaN or infinity. Lower the learning rate, or raise the penalty."
        )
    columns = np.arange(table.shape[1]) if classes is None else np.asarray(classes)
    if len(columns) != table.shape[1]:
        raise InvalidInputError(f"classes must be one per column, {table.shape[1]}; got {len(columns)}. Pass classes_.")
    order = np.argsort(columns)
    places = np.searchsorted(columns, truth, sorter=order).clip(max=len(columns) - 1)
    targets = order[places]
    foreign = columns[targets] != truth
    if foreign.any():
        raise InvalidInputError(
            f"labels must be among the {len(columns)} classes of the logits; got {truth[foreign][0]!r}. "
            "Train the head on images of that class too."
        )
    return table, targets


def _top5(table: np.ndarray, targets: np.ndarray) -> float:
    own = table[np.arange(len(table)), targets][:, None]
    earlier = np.arange(table.shape[1]) < targets[:, None]  # of equals the first column wins, as in argmax
    ahead = (table > own) | ((table == own) & earlier)
    return float((ahead.sum(axis=1) < 5).mean())


def calibration_error(confidences: ArrayLike, correct: ArrayLike) -> tuple[float, float]:
    """(expected calibration error, how much of it perfect calibration may show) over 15 equal bins of confidence.

    `confidences` [N] are of answers that were `correct` bool [N] or not. The error is Naeini et al.'s (AAAI 2015; Guo
    et al., ICML 2017), which is above zero of perfect calibration too: 97.5 % of 1,000 draws of answers that are
    correct with the very `confidences` have at most the second number (Vaicenavicius et al., AISTATS 2019). An error
    up to there is indistinguishable from none.
    """
    order = np.argsort(confidences, kind="stable")
    given, right = np.asarray(confidences, dtype=np.float64)[order], np.asarray(correct, dtype=bool)[order]
    places = np.minimum((given * CALIBRATION_BIN_COUNT).astype(int), CALIBRATION_BIN_COUNT - 1)
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    expected = np.add.reduceat(given, starts)

    def errors(answers: np.ndarray) -> np.ndarray:
        counted = np.add.reduceat(answers, starts, axis=-1, dtype=np.float64)
        return np.abs(counted - expected).sum(-1) / len(given)

    generator = np.random.default_rng(0)
    batch = max(1, min(CALIBRATION_DRAW_COUNT, 2_000_000 // len(given)))
    drawn = [
        errors(generator.random((min(batch, CALIBRATION_DRAW_COUNT - start), len(given)), dtype=np.float32) < given)
        for start in range(0, CALIBRATION_DRAW_COUNT, batch)
    ]
    perfect = np.concatenate(drawn)
    return float(errors(right)), float(np.quantile(perfect, CALIBRATION_LIMIT))


def reliability(confidences: ArrayLike, correct: ArrayLike) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, count) of the answers in each of 15 equal bins of confidence that is not empty.

    `calibration_error` is the mean of |accuracy - confidence|, weighted by count.
    """
    given, right = np.asarray(confidences), np.asarray(correct)
    places = np.minimum((given * CALIBRATION_BIN_COUNT).astype(int), CALIBRATION_BIN_COUNT - 1)
    parts = [places == place for place in np.unique(places)]
    return [(float(given[part].mean()), float(right[part].mean()), int(part.sum())) for part in parts]
