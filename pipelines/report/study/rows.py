"""Results that differ only by their seed, as one row: the mean over the seeds, their spread, and the best of rows."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from extract.features.layout import canonical_json
from extract.runtime.typed_json import plain
from pipelines.report.page.text import clipped
from pipelines.workspace import naming
from pipelines.workspace.parts.scores import Interval
from pipelines.workspace.schema import SUBSETS, Calibration, DoneRecord

SHORT = 48  # characters of a name beside a chart
SEEDS = ("seed", "subset_seed", "weights_seed", "test_images")  # the seed draws a test subset

RULE = (
    "The best of several runs is the one with the highest validation accuracy. Where one of them has no validation "
    "images, the best is picked on the test images, which flatters it: that is said there, and comparisons with it are "
    "corrected for all that could have been picked."
)

OF_SEEDS = "Of several seeds, the run with the highest validation accuracy; without validation images, the first."


@dataclass(frozen=True)
class Row:
    """One line of the comparison: results of one spec under different seeds, of which accuracy is the mean.

    `interval` is the 95 % interval of that mean; `name` tells it from the other rows of its test set, and `short` does
    so in a length that fits beside a chart.
    """

    number: int
    results: tuple[DoneRecord, ...]
    name: str
    short: str
    interval: Interval

    @property
    def best(self) -> DoneRecord:
        """The result that stands for the row where one run must: the best by validation, else the first seed."""
        return self.results[0]

    @property
    def label(self) -> str:
        """Label of the row in charts: its number, and its name in a length that fits beside the chart."""
        return f"{self.number}  {self.short}"

    @property
    def which(self) -> str:
        """Behind a comma, the seed of the result that stands for a row of several; "" for the only one."""
        return f", seed {self.best.seed} (one of {len(self.results)})" if len(self.results) > 1 else ""

    @property
    def accuracy(self) -> float:
        """Mean test accuracy."""
        return _mean(one.test.accuracy for one in self.results)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation of the accuracy over seeds; None for one, and where they draw nothing."""
        if len(self.results) < 2 or not self.drawn:
            return None
        squares = sum((one.test.accuracy - self.accuracy) ** 2 for one in self.results)
        return (squares / (len(self.results) - 1)) ** 0.5

    @property
    def drawn(self) -> list[str]:
        """Parts of the row's runs that seeds draw, beside the validation images."""
        found = [name for one in self.results for name in one.choice.drawn or ()]
        if len({one.dataset.seed for one in self.results}) > 1:
            parts = dict(zip(SUBSETS, ("training images", "test images"), strict=True))
            found += [words for part, words in parts.items() if getattr(self.best.dataset, part)]
        if len({one.features and one.features.weights_seed for one in self.results}) > 1:
            found.append("weights of the backbone")
        return list(dict.fromkeys(found))

    def mean(self, values: Iterable[float | None]) -> float | None:
        """Mean of what is known, None where nothing is."""
        known = [value for value in values if value is not None]
        return _mean(known) if known else None

    def calibrations(self, *, scaled: bool) -> list[Calibration | None]:
        """Calibration of each result's test logits, as they are or at the temperature of the validation images."""
        return [one.test_scaled if scaled else one.test for one in self.results]

    def calibration(self, name: str, *, scaled: bool) -> float | None:
        """Mean of a field of the calibrations; None unless all have it: another mean would be of other seeds."""
        values = [None if one is None else getattr(one, name) for one in self.calibrations(scaled=scaled)]
        return None if None in values else self.mean(values)

    def is_calibrated(self, *, scaled: bool) -> bool:
        """Whether no result of the row is told from a perfectly calibrated one."""
        return all(one is not None and one.is_perfect for one in self.calibrations(scaled=scaled))

    def seconds(self, phase: str) -> float | None:
        """Mean seconds of a phase, or of extraction, search and fit together for "total"."""
        if phase == "total":
            return self.mean(one.cost_seconds for one in self.results)
        return self.mean(one.seconds.get(phase) for one in self.results)


@dataclass(frozen=True)
class Pick:
    """The best `row` of `count` rows; `validated` where validation images chose it, not test images."""

    row: Row
    count: int
    validated: bool

    @property
    def rule(self) -> str:
        """Rule of the choice, as the page says it; "" for the only one."""
        if self.count == 1:
            return ""
        if self.validated:
            return f"best of {self.count} by validation accuracy"
        return f"picked on the test images, best of {self.count}"

    def said(self) -> str:
        """The shown seed and the `rule` of the choice, behind commas."""
        return self.row.which + (f", {self.rule}" if self.rule else "")

    @property
    def tried(self) -> int:
        """Number of rows that the test images could have made the best: what comparisons with it are corrected for."""
        return 1 if self.validated else self.count


def rows(
    results: Iterable[DoneRecord], *, interval: Callable[[Sequence[DoneRecord]], tuple[float, float]]
) -> list[Row]:
    """The rows of the results, most accurate first, numbered from 1 in that order, each with the `interval` of its own.

    Results that share everything but the seed make one row; where two of them have even the seed in common, so do those
    on the same subset. Where two of these do, they differ in something that is not recorded, and each stands alone.
    """
    groups: dict[str, list[DoneRecord]] = {}
    for result in results:
        groups.setdefault(identity(result), []).append(result)
    parts: list[list[DoneRecord]] = []
    for group in groups.values():
        subset_seeds = dict.fromkeys(one.dataset.seed for one in group)
        of_subsets = [[one for one in group if one.dataset.seed == seed] for seed in subset_seeds]
        for part in [group] if _is_distinct(group) else of_subsets:
            parts += [part] if _is_distinct(part) else [[one] for one in part]
    ordered = [_best_first(part) for part in parts]
    ordered.sort(key=lambda part: (-_mean(one.test.accuracy for one in part), part[0].name, part[0].run))
    names = _names([part[0] for part in ordered])
    return [Row(place + 1, tuple(part), *names[place], interval(part)) for place, part in enumerate(ordered)]


def _is_distinct(group: Sequence[DoneRecord]) -> bool:
    """Whether no two results have the same seed."""
    return len({one.seed for one in group}) == len(group)


def _names(bests: Sequence[DoneRecord]) -> dict[int, tuple[str, str]]:
    """By place the names that tell the rows of one test set apart (`naming.names`), in full and in short."""
    found: dict[int, tuple[str, str]] = {}
    for test_set in dict.fromkeys(one.test_set for one in bests):
        places = [place for place, one in enumerate(bests) if one.test_set == test_set]
        names = naming.names([bests[place] for place in places], but=naming.OF_TEST)
        short = [clipped(name, SHORT) for name in naming.fitted(names, SHORT)]
        found |= dict(zip(places, zip(names, short, strict=True), strict=True))
    return found


def identity(result: DoneRecord, *, but: tuple[str, ...] = ()) -> str:
    """Identity of a result as text, whatever its seed; `but` names further parts of its spec that do not count."""
    left_out = (*SEEDS, *but)
    parts = {name: value for name, value in result.key.items() if name != "features"}
    features = None if result.features is None else result.features.spec
    if result.features is not None and result.features.weights_seed is not None:  # a digest of weights that it drew
        features = {**result.features.spec, "weights": {**result.features.spec["weights"], "sha256": None}}
    named = [result.kind, result.mode, result.name, result.architecture, result.head, result.weights]
    return canonical_json(
        [named, result.image_size, *(_without(one, left_out) for one in (plain(result.dataset), parts, features))]
    )


def standing(results: Sequence[DoneRecord]) -> tuple[float, float] | None:
    """(error, log loss) on the validation images, the mean over the results; None where one of them has none."""
    scores = [one.validation for one in results if one.validation is not None]
    if len(scores) < len(results):
        return None
    losses = [math.inf if one.log_loss is None else one.log_loss for one in scores]
    return 1 - _mean(one.accuracy for one in scores), _mean(losses)


def best_first(rows: Sequence[Row]) -> tuple[list[Row], bool]:
    """(the rows, best first; whether by validation accuracy, of equals by validation loss, or by test accuracy)."""
    standings = {row.number: standing(row.results) for row in rows}
    if None in standings.values():
        return sorted(rows, key=lambda row: (-row.accuracy, row.number)), False
    return sorted(rows, key=lambda row: (standings[row.number] or (), row.best.run)), True


def pick(rows: Sequence[Row]) -> Pick:
    """The best of the rows, at least one."""
    ordered, validated = best_first(rows)
    return Pick(ordered[0], len(rows), validated or len(rows) == 1)


def _best_first(part: Sequence[DoneRecord]) -> list[DoneRecord]:
    """By validation accuracy, of equals by validation loss; by seed where one has no validation images."""
    by_seed = sorted(part, key=lambda one: (one.seed, one.run))
    if standing(part) is None:
        return by_seed
    return sorted(by_seed, key=lambda one: standing([one]) or ())


def _without(value: object, left_out: tuple[str, ...]) -> object:
    if isinstance(value, Mapping):
        return {name: _without(one, left_out) for name, one in value.items() if name not in left_out}
    return [_without(one, left_out) for one in value] if isinstance(value, list | tuple) else value


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
