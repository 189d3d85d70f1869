"""Scores by class: precision, recall and F1 with intervals, and their plain means over classes."""

import math
from dataclasses import dataclass

import numpy as np

from heads.statistics import accuracy_interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class with `rows` rows. All rates are fractions, with 95 % intervals.

    None is a rate of nothing: the recall of a class without rows, the precision of one that was never predicted, the F1
    of one that is neither.
    """

    rows: int
    precision: float | None
    precision_interval: Interval | None
    recall: float | None
    recall_interval: Interval | None
    f1: float | None
    f1_interval: Interval | None


@dataclass(frozen=True)
class Balanced:
    """Scores in which every class counts the same, as scikit-learn has them, and the classes' own.

    `balanced_accuracy` is the mean recall of the classes that have rows, `macro_f1` the mean F1 of those that have rows
    or were predicted. Their intervals join those of the classes as the variance estimates of a sum are recovered
    (MOVER; Zou and Donner, Statistics in Medicine 2008): recalls vary apart, F1 scores together, for one class's miss
    is another's false alarm.
    """

    balanced_accuracy: float
    balanced_accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    by_class: tuple[ClassScores, ...]


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, *, n_classes: int) -> np.ndarray:
    """int64 [K, K]: how many rows of class i, by `targets` [N], were `predicted` [N] to be of class j."""
    return np.bincount(targets * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def balanced_accuracy(confusion: np.ndarray) -> float:
    """The mean recall of the classes that have rows."""
    rows = confusion.sum(1)
    return float((confusion.diagonal()[rows > 0] / rows[rows > 0]).mean())


def macro_f1(confusion: np.ndarray) -> float:
    """The mean F1 of the classes that have rows or were predicted."""
    sums = confusion.sum(1) + confusion.sum(0)
    return float((2 * confusion.diagonal()[sums > 0] / sums[sums > 0]).mean())


def balanced(confusion: np.ndarray) -> Balanced:
    """The scores of a confusion matrix of counts [K, K] with at least one row."""
    classes = tuple(_class_scores(confusion, k) for k in range(len(confusion)))
    recalls = [(one.recall, one.recall_interval) for one in classes if one.recall is not None and one.recall_interval]
    scored = np.array([one.f1 is not None for one in classes])
    f1 = [(one.f1, one.f1_interval) for one in classes if one.f1 is not None and one.f1_interval]
    return Balanced(
        balanced_accuracy(confusion),
        _mean_interval(recalls, np.eye(len(recalls))),
        macro_f1(confusion),
        _mean_interval(f1, _f1_correlations(confusion[np.ix_(scored, scored)])),
        classes,
    )


def _class_scores(confusion: np.ndarray, k: int) -> ClassScores:
    """F1 = 2 J / (1 + J), where J is the share that is right of the rows that are of the class or said to be."""
    right, rows, said = int(confusion[k, k]), int(confusion[k].sum()), int(confusion[:, k].sum())
    either = rows + said - right
    joint = accuracy_interval(right, either) if either else None
    return ClassScores(
        rows=rows,
        precision=right / said if said else None,
        precision_interval=accuracy_interval(right, said) if said else None,
        recall=right / rows if rows else None,
        recall_interval=accuracy_interval(right, rows) if rows else None,
        f1=2 * right / (rows + said) if either else None,
        f1_interval=(_f1(joint[0]), _f1(joint[1])) if joint else None,
    )


def _f1(joint: float) -> float:
    return 2 * joint / (1 + joint)


def _mean_interval(parts: list[tuple[float, Interval]], correlations: np.ndarray) -> Interval:
    """The interval of the mean of estimates with these intervals and `correlations` [K, K]."""
    values = np.array([value for value, _ in parts])
    below = values - [low for _, (low, _) in parts]
    above = [high for _, (_, high) in parts] - values
    reach = [math.sqrt(side @ correlations @ side) / len(values) for side in (below, above)]
    mean = float(values.mean())
    return max(mean - reach[0], 0.0), min(mean + reach[1], 1.0)


def _f1_correlations(confusion: np.ndarray) -> np.ndarray:
    """Correlations [K, K] of the classes' F1 scores, by the delta method for rows that are drawn at random."""
    sums = (confusion.sum(1) + confusion.sum(0)).astype(np.float64)
    f1 = 2 * confusion.diagonal() / sums
    variances = f1 * (1 - f1) * (2 - f1) / sums
    shared = (confusion + confusion.T) * np.outer(f1 / sums, f1 / sums)
    scale = np.sqrt(np.outer(variances, variances))
    correlations = np.divide(shared, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(correlations, 1.0)
    return correlations
