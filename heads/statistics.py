"""Confidence intervals of accuracies and differences, paired tests, several tests.

Everything is of correctness (did an answer name the class?), and nothing depends on a caller's seed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, ndtri, stdtrit

from extract.errors import InvalidInputError

LEAST_P = LEAST_SHARE = 1e-12


@dataclass(frozen=True)
class Paired:
    """Accuracy of B less that of A on the same images, its interval, and the p-value of the same rule.

    Zero is outside the interval exactly where `p_value` is below 1 less the interval's confidence.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float


def accuracy_interval(correct: float, rows: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of an accuracy over the population from which the `rows` images were drawn (score interval).

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927; recommended by Brown,
    Cai and DasGupta, Statistical Science 2001. Never empty, never outside [0, 1].
    """
    square = float(ndtri((1 + confidence) / 2)) ** 2
    middle = (correct + square / 2) / (rows + square)
    half = math.sqrt(square * (correct * (rows - correct) / rows + square / 4)) / (rows + square)
    return (middle - half if correct > 0 else 0.0), (middle + half if correct < rows else 1.0)


def paired(only_a: float, only_b: float, rows: float, *, confidence: float = 0.95) -> Paired:
    """B against A on the same `rows` images, of which `only_a` and `only_b` were correct for one of them alone.

    The p-value is McNemar's mid-p (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 2013). The interval
    is the mid-p interval of B's share of the disputed images, joined with Wilson's of the disputed rate as the variance
    estimates of a product's two factors are recovered (MOVER; Zou and Donner, Statistics in Medicine 2008).
    """
    tail = min(_mid_p(only_b, only_a, 0.5), _mid_p(only_a, only_b, 0.5))
    low = _lower(only_b, only_a, rows, confidence=confidence)
    high = -_lower(only_a, only_b, rows, confidence=confidence)
    return Paired((only_b - only_a) / rows, (low, high), min(2 * tail, 1.0))


def rows_interval(correct: ArrayLike, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a method's accuracy over images and seeds; `correct` bool [S, N] of S seeds on the same N images.

    Wilson's for the images, whose number is the one at which a binomial rate varies as the mean over seeds does; a
    t interval over the seeds for what they vary beyond that; joined as in `paired`. Of one seed it is Wilson's: what
    another seed would give is unknown.
    """
    table = _table(correct)
    seeds, rows = table.shape
    if seeds == 1:
        return accuracy_interval(int(table.sum()), rows, confidence=confidence)
    accuracy = float(table.mean())
    over_seeds, disagreement = _seed_variance(table)
    over_images = float(table.mean(0).var()) - rows * disagreement / seeds
    count = _image_count(accuracy * (1 - accuracy), over_images, rows, seeds=seeds)
    low, high = accuracy_interval(accuracy * count, count, confidence=confidence)
    beyond = _t_reach((over_seeds / seeds, seeds - 1), confidence)
    low, high = accuracy - math.hypot(accuracy - low, beyond), accuracy + math.hypot(high - accuracy, beyond)
    return max(low, 0.0), min(high, 1.0)


def paired_rows(correct_a: ArrayLike, correct_b: ArrayLike, *, confidence: float = 0.95) -> Paired:
    """Method B against A on the same N images: `correct_a` bool [S, N] and `correct_b` bool [T, N] of S and T seeds.

    The images' part is `paired` of as many images as make it vary as the means over seeds do; the seeds' part a
    t interval with Welch's degrees of freedom (Biometrika 1947). A method with one seed is taken to vary over seeds as
    the other does. Of one seed each it is `paired`, a comparison of these two classifiers.
    """
    table_a, table_b = _table(correct_a), _table(correct_b)
    if table_a.shape[1] != table_b.shape[1]:
        raise InvalidInputError(
            f"correct_a and correct_b must be of the same images; got {table_a.shape[1]} and {table_b.shape[1]}. "
            "Compare runs on one test set."
        )
    means_a, means_b, rows = table_a.mean(0), table_b.mean(0), table_a.shape[1]
    only_a, only_b = float((means_a * (1 - means_b)).sum()), float((means_b * (1 - means_a)).sum())
    if len(table_a) == len(table_b) == 1:
        return paired(round(only_a), round(only_b), rows, confidence=confidence)
    one_pair = (only_a + only_b) / rows - ((only_b - only_a) / rows) ** 2
    most = max(len(table_a), len(table_b))
    count = _image_count(one_pair, float((means_b - means_a).var()), rows, seeds=most)
    table, seeds = (only_a * count / rows, only_b * count / rows, count), _joint_seed_error(table_a, table_b)
    interval = _joined(table, seeds, confidence=confidence)
    return Paired((only_b - only_a) / rows, interval, _p_value(table, seeds))


def holm(p_values: Sequence[float], *, confidence: float = 0.95) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(adjusted p-values, confidence levels) of several comparisons (Holm, Scandinavian Journal of Statistics 1979).

    A comparison counts where its adjusted p is below 1 - `confidence`: then one of all would count by chance with at
    most that probability. An interval at a comparison's own level excludes zero exactly where it counts.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, levels = [1.0] * len(order), [confidence] * len(order)
    least, level, stopped = 0.0, confidence, False
    for step, index in enumerate(order):
        left = len(order) - step
        least = max(least, min(left * p_values[index], 1.0))
        level = level if stopped else 1 - (1 - confidence) / left
        stopped = stopped or not p_values[index] < 1 - level
        adjusted[index], levels[index] = least, level
    return tuple(adjusted), tuple(levels)


def paired_together(
    pairs: Sequence[tuple[ArrayLike, ArrayLike]], *, family: int = 0, confidence: float = 0.95
) -> list[Paired]:
    """`paired_rows` of each (A, B), corrected for their number: p-values by `holm`, intervals at their own levels.

    `family` counts the comparisons that could have been made, where these are a choice of them (the best against
    others, picked on the same images: every pair could have been).
    """
    alone = [paired_rows(*pair).p_value for pair in pairs]
    adjusted, levels = holm([*alone, *[1.0] * (family - len(pairs))], confidence=confidence)
    found = [paired_rows(*pair, confidence=level) for pair, level in zip(pairs, levels, strict=False)]
    return [replace(one, p_value=p_value) for one, p_value in zip(found, adjusted, strict=False)]


def paired_over_seeds(
    changes: Sequence[Sequence[tuple[ArrayLike, ArrayLike]]], *, distinct: int, confidence: float = 0.95
) -> list[Paired]:
    """Each change against one base over seeds, at least two: (correct_base, correct_change), bool [N], of each seed.

    The images, N for each seed, may be others for every seed; `distinct` of all of them are different. The images' part
    is `paired` of so many. The seeds' part is a t interval over the differences by seed: their variance is the change's
    own or the mean over the changes (blocks of seeds, Fisher 1935), whichever is greater, with the mean's degrees of
    freedom (Satterthwaite, Biometrics 1946), for few seeds tell little about one change alone. Joined as in `paired`,
    corrected for the number of changes as in `paired_together`.
    """
    tables, differences = [], []
    for pairs in changes:
        base, change = (np.stack([_table([one])[0] for one in side]) for side in zip(*pairs, strict=True))
        scale = distinct / base.size
        only_base, only_change = (float((one * (1 - other)).sum()) for one, other in ((base, change), (change, base)))
        tables.append((scale * only_base, scale * only_change, float(distinct)))
        differences.append((change - base).mean(1))
    variances = np.array([one.var(ddof=1) for one in differences])
    count, mean = len(differences[0]), float(variances.mean())
    freedom = (count - 1) * float(variances.sum() ** 2 / (variances**2).sum()) if mean else 1.0
    errors = [(max(float(one), mean) / count, freedom) for one in variances]
    adjusted, levels = holm([_p_value(*one) for one in zip(tables, errors, strict=True)], confidence=confidence)
    return [
        Paired((table[1] - table[0]) / distinct, _joined(table, error, confidence=level), p_value)
        for table, error, p_value, level in zip(tables, errors, adjusted, levels, strict=True)
    ]


class Spread(TypedDict):
    """Spread of repeats' values."""

    mean: float
    deviation: float | None
    least: float
    greatest: float


def spread(values: ArrayLike) -> Spread:
    """Mean, sample standard deviation (None of one value), least and greatest of repeats' `values`."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise InvalidInputError(f"values must be at least one number; got shape {array.shape}. Pass one per seed.")
    return {
        "mean": float(array.mean()),
        "deviation": float(array.std(ddof=1)) if len(array) > 1 else None,
        "least": float(array.min()),
        "greatest": float(array.max()),
    }


def _mid_p(count: float, others: float, share: float) -> float:
    """The chance of more than `count` of count + others where each has the chance `share`, and half that of `count`."""
    at_least = float(betainc(count, others + 1, share)) if count > 0 else 1.0
    more = float(betainc(count + 1, others, share)) if others > 0 else 0.0
    return (at_least + more) / 2


def _lower(count: float, others: float, rows: float, *, confidence: float) -> float:
    """The lower end of the interval of (count - others) / rows; above zero exactly where the mid-p test says so."""
    beyond, disputed = (1 - confidence) / 2, count + others
    positive = _mid_p(count, others, 0.5) < beyond
    share = 0.0  # the least share of the disputed images that is still believable
    if count > 0:
        ends = (0.5, 1.0) if positive else (0.0, 0.5)
        share = _root(lambda at: _mid_p(count, others, at) - beyond, *ends, error=1e-14)
    worst = max(2 * share - 1, LEAST_SHARE) if positive else 2 * share - 1
    rate, reach = disputed / rows, accuracy_interval(disputed, rows, confidence=confidence)
    first = (count - others) / rows - rate * worst
    second = abs(worst) * (rate - reach[0] if positive else reach[1] - rate)
    corner = first + second - math.hypot(first, second)
    return worst * reach[0] + max(corner, 0.0) if positive else rate * worst - (math.hypot(first, second) - first)


def _image_count(of_one: float, of_mean: float, rows: int, *, seeds: int) -> float:
    """How many images of variance `of_one` make a mean that varies as one of `rows` of variance `of_mean`.

    At most `rows` for every one of the `seeds`: what few images show of the variance may be nothing by chance.
    """
    return rows * of_one / max(of_mean, of_one / seeds) if of_one > 0 else float(rows)


def _seed_variance(table: np.ndarray) -> tuple[float, float]:
    """(variance of accuracy [S, N] over seeds, what is in it still of the images on which they disagree).

    The share (S - 3) / (S - 1) of that is taken off: all of it would too often leave nothing of few seeds.
    """
    seeds, rows = table.shape
    if seeds == 1:
        return 0.0, 0.0
    accuracies = table.mean(1)
    rest = table - accuracies[:, None] - table.mean(0) + table.mean()
    disagreement = float((rest**2).sum()) / ((seeds - 1) * max(rows - 1, 1) * rows)
    shared = disagreement * max(seeds - 3, 0) / (seeds - 1)
    return max(float(accuracies.var(ddof=1)) - shared, 0.0), disagreement - shared


def _joint_seed_error(table_a: np.ndarray, table_b: np.ndarray) -> tuple[float, float]:
    """(variance of the difference of two means over seeds, its degrees of freedom)."""
    sizes, variances = [len(table_a), len(table_b)], [_seed_variance(table)[0] for table in (table_a, table_b)]
    known = [(size, variance) for size, variance in zip(sizes, variances, strict=True) if size > 1]
    if len(known) == 1:
        ((size, variance),) = known
        return variance * (1 + 1 / size), size - 1
    parts = [variance / size for size, variance in known]
    total = sum(parts)
    freedom = sum(part**2 / (size - 1) for part, (size, _) in zip(parts, known, strict=True))
    return (total, total**2 / freedom) if total else (0.0, 1.0)


def _t_reach(seeds: tuple[float, float], confidence: float) -> float:
    variance, freedom = seeds
    return float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(variance) if variance else 0.0


def _joined(table: tuple[float, float, float], seeds: tuple[float, float], *, confidence: float) -> tuple[float, float]:
    """The interval of `paired` for (only_a, only_b, rows), joined with the t interval of (variance, freedom)."""
    found, reach = paired(*table, confidence=confidence), _t_reach(seeds, confidence)
    middle, (low, high) = found.difference, found.interval
    return max(middle - math.hypot(middle - low, reach), -1.0), min(middle + math.hypot(high - middle, reach), 1.0)


def _p_value(table: tuple[float, float, float], seeds: tuple[float, float]) -> float:
    """1 less the confidence at which the end of the interval that is nearer to zero reaches it."""
    if not seeds[0]:
        return paired(*table).p_value
    only_a, only_b, _ = table

    def clearance(log_p: float) -> float:
        low, high = _joined(table, seeds, confidence=-math.expm1(log_p))
        return low if only_b > only_a else -high

    least, most = math.log(LEAST_P), -1e-9
    if clearance(most) <= 0:
        return 1.0
    return math.exp(_root(clearance, least, most, error=1e-12)) if clearance(least) < 0 else LEAST_P


def _root(function: Callable[[float], float], low: float, high: float, *, error: float) -> float:
    """Where `function` is zero between `low` and `high`, where it has opposite signs."""
    from scipy.optimize import brentq  # takes a third of a second, and most tables need none

    return float(brentq(function, low, high, xtol=error))  # type: ignore[arg-type]


def _table(correct: ArrayLike) -> np.ndarray:
    table = np.asarray(correct, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise InvalidInputError(
            f"correct must be an array [S, N], not empty; got shape {table.shape}. Pass one row a seed."
        )
    return table
