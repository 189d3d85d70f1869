"""Scores by class: precision, recall and F1 with intervals, and their plain means over classes."""

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
    or were predicted. Their intervals are Wilson's of as many rows as make an accuracy that varies as the mean does, by
    the delta method: recalls vary apart, F1 scores together, for one class's miss is another's false alarm. For that
    every class has one further row, recognized as often as the classes are (`_smoothed`): that all of a few rows were
    right says little of how the class varies.
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
    rows, likely = confusion.sum(1), _smoothed(confusion)
    known, scored = rows > 0, rows + confusion.sum(0) > 0
    recalls = likely.diagonal()[known] / rows[known]
    spread, f1, shared = np.diag(recalls * (1 - recalls) / rows[known]), *_f1_covariance(likely)
    accuracy, f1_mean = balanced_accuracy(confusion), macro_f1(confusion)
    return Balanced(
        accuracy,
        _mean_interval(accuracy, recalls, spread, rows=int(rows.sum())),
        f1_mean,
        _mean_interval(f1_mean, f1[scored], shared[np.ix_(scored, scored)], rows=int(rows.sum())),
        tuple(_class_scores(confusion, k) for k in range(len(confusion))),
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


def _smoothed(confusion: np.ndarray) -> np.ndarray:
    """float64 [K, K]: the shares of each class's rows with one more row, times its rows.

    The added row is right by the mean recall, itself of two more classes of which one is right, and else of any other
    class.
    """
    rows = confusion.sum(1)[:, None].astype(np.float64)
    usual = ((confusion.diagonal() / np.maximum(rows[:, 0], 1)).sum() + 1) / ((rows > 0).sum() + 2)
    added = np.full(confusion.shape, (1 - usual) / max(len(confusion) - 1, 1))
    np.fill_diagonal(added, usual)
    return (confusion + added) * rows / (rows + 1)


def _f1_covariance(likely: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F1 [K] of the counts `likely` [K, K], their covariances [K, K] by the delta method for rows drawn at random)."""
    sums = likely.sum(1) + likely.sum(0)
    sums[sums == 0] = 1.0  # of a class that is not scored
    f1 = 2 * likely.diagonal() / sums
    shared = (likely + likely.T) * np.outer(f1 / sums, f1 / sums)
    np.fill_diagonal(shared, f1 * (1 - f1) * (2 - f1) / sums)
    return f1, shared


def _mean_interval(mean: float, likely: np.ndarray, covariances: np.ndarray, *, rows: int) -> Interval:
    """Wilson's interval of a `mean` over classes whose scores are about `likely` [K], with `covariances` [K, K]."""
    usual, variance = float(likely.mean()), float(covariances.mean())
    count = usual * (1 - usual) / variance if variance > 0 else rows  # of a single class F1 is always 1
    return accuracy_interval(mean * count, count)
