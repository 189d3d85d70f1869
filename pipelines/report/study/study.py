"""All that a report is made from, gathered once: results, rows, kept logits, pairs of rows, failures, problems."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

from extract.errors import InvalidInputError
from extract.runtime.formats import plural
from finetune.analysis import published
from finetune.analysis.published import Published
from heads.statistics import Paired, paired_together, rows_interval
from pipelines.report.page.blocks import Figure, Spec
from pipelines.report.study.images import Images
from pipelines.report.study.rows import Pick, Row, best_first, pick, rows
from pipelines.report.study.selection import selected
from pipelines.tasks.explain import KeptLandscape
from pipelines.workspace import explorations, naming, records
from pipelines.workspace.explorations import Kept
from pipelines.workspace.schema import MODES, DoneRecord, FailedRecord, Options, Record

SHOWN = 15  # rows against the best
KeptLogits = tuple[np.ndarray, np.ndarray]  # logits float64 [N, K], labels int64 [N]


@dataclass(frozen=True)
class TestSet:
    """Rows that were scored on the same test images, and so may be compared.

    The first has `number` 1. `title` names the data, `data` says how much of it the runs were trained and scored on,
    and at which size.
    """

    number: int
    title: str
    data: str
    rows: tuple[Row, ...]

    def figure(self, name: str, title: str, caption: str, chart: Spec, *, shape: str = "wide") -> Figure:
        """A figure of these rows, under a name and a title of this test set."""
        return Figure(f"{name}-{self.number}", f"{title} on {self.title}", caption, chart, shape=shape, data=self.data)

    @property
    def published(self) -> list[Published]:
        """What others published of its test images, where all of them are used."""
        used = self.rows[0].best.dataset
        return published.tested_on(used.digest) if used.is_scored_whole else []

    @property
    def results(self) -> list[DoneRecord]:
        """Every result of the rows."""
        return [result for row in self.rows for result in row.results]

    def best(self) -> Pick:
        """The best of all rows."""
        return pick(self.rows)

    def others(self) -> list[Row]:
        """Up to `SHOWN` rows that are compared with the best one, themselves the best first."""
        return best_first(self.rows)[0][1 : SHOWN + 1]

    def best_of_modes(self) -> list[Pick]:
        """The best row of every mode that occurs, in the modes' fixed order."""
        modes = [[row for row in self.rows if row.best.mode == mode] for mode in MODES]
        return [pick(rows) for rows in modes if rows]


@dataclass
class Study:
    """The runs of a report, and the loss landscape around one of them where it was asked for.

    `problems` grows as parts turn out to be unreadable; `failed` are records of failures.
    """

    workspace: Path
    rows: list[Row]
    failed: list[FailedRecord]
    problems: list[str] = field(default_factory=list)
    landscape: tuple[DoneRecord, KeptLandscape] | None = None
    _logits: dict[str, KeptLogits | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.images = Images(self.workspace, problems=self.problems)

    def explored(self, kind: type[Kept], *, most: int) -> list[Kept]:
        """The newest results of a kind of `explorations`, newest first; what cannot be read is a problem."""
        found, problems = explorations.read_all(self.workspace, kind)
        self.problems += problems
        return found[: -most - 1 : -1]

    @property
    def results(self) -> list[DoneRecord]:
        """Every result, most accurate row first."""
        return [result for row in self.rows for result in row.results]

    def row_of(self, run: str | None) -> Row | None:
        """The row of a run; None where it is not in the report."""
        return next((row for row in self.rows if run in {one.run for one in row.results}), None)

    def test_sets(self) -> list[TestSet]:
        """The rows by what they were scored on, the test set with most rows first."""
        groups: dict[tuple[str, int | None], list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.best.test_set, []).append(row)
        ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0].number))
        titles = _titles([group[0].best for group in ordered])
        data = [naming.data([row.best for row in group]) for group in ordered]
        return [TestSet(*one) for one in zip(count(1), titles, data, map(tuple, ordered))]

    def logits(self, result: DoneRecord) -> KeptLogits | None:
        """The logits and labels of a run's test split, or None where they are not intact."""
        if result.run not in self._logits:
            self._logits[result.run] = self._read_logits(result.run)
        return self._logits[result.run]

    def correct(self, row: Row, *, like: DoneRecord) -> np.ndarray | None:
        """bool [S, N]: which test images each result of the row is correct on that was scored on those of `like`.

        None where the row has no such result, or the logits of one are not intact, or of other classes.
        """
        wanted = self.logits(like)
        same = [one for one in row.results if one.is_scored_like(like)]
        kept = [found for one in same if (found := self.logits(one)) is not None]
        if wanted is None or not kept or len(kept) < len(same):
            return None
        if not all(logits.shape == wanted[0].shape and np.array_equal(labels, wanted[1]) for logits, labels in kept):
            return None
        return np.stack([logits.argmax(axis=1) == labels for logits, labels in kept])

    def interval(self, results: Sequence[DoneRecord]) -> tuple[float, float]:
        """The 95 % interval of the mean test accuracy of results that differ by their seeds alone.

        Over images and seeds (`statistics.rows_interval`). Results on test images of their own are taken as one table
        too: no image then stands in two of its rows. Where logits of one are lost, the images that each is correct on
        are taken to be among those of every better one.
        """
        if len(results) == 1:
            return results[0].test.interval
        tables = [logits.argmax(axis=1) == labels for logits, labels in filter(None, map(self.logits, results))]
        count = min(one.test.rows for one in results)
        if len(tables) < len(results) or {len(one) for one in tables} != {count}:
            tables = [np.arange(count) < round(one.test.accuracy * count) for one in results]
        return rows_interval(np.stack(tables))

    def _read_logits(self, run: str) -> KeptLogits | None:
        try:
            logits, labels = records.logits(self.workspace, run)
        except InvalidInputError as error:
            self.problems.append(str(error))
            return None
        logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
        fits = logits.ndim == 2 and labels.shape == logits.shape[:1] and len(labels) > 0 and np.isfinite(logits).all()
        if not fits or labels.min() < 0 or labels.max() >= logits.shape[1]:
            self.problems.append(f"run {run}: kept logits must be finite, one row for a label; they are left out.")
            return None
        return logits, labels


@dataclass(frozen=True)
class PairedTest:
    """A row against a reference. `alone` are the images that only it, and only the reference, was correct on.

    `alone` is None where one of the two has several seeds.
    """

    row: Row
    paired: Paired
    alone: tuple[int, int] | None


def gather(workspace: Path, wanted: str | None) -> Study:
    """The study of the runs that `wanted` selects in a workspace (see `selection.selected`).

    Broken records become problems. Raises InvalidInputError where there is nothing to show.
    """
    found, problems = records.read_all(workspace)
    if not found and not problems and not explorations.are_any(workspace):
        raise InvalidInputError(
            f"workspace must hold runs to report; got none in {str(workspace)!r}. `pipeline fit-head` makes one."
        )
    chosen = selected(found, wanted)
    if wanted is not None and not chosen:
        raise InvalidInputError(f"--runs must fit a run; got {wanted!r}, which fits none of {len(found)}. Widen it.")
    return assembled(workspace, chosen, problems)


def assembled(workspace: Path, chosen: Sequence[Record], problems: list[str]) -> Study:
    """The study of these records of a workspace; what cannot be used of their files is added to the `problems`."""
    failed = [one for one in chosen if isinstance(one, FailedRecord)]
    study = Study(workspace, [], failed, problems)
    study.rows = rows([one for one in chosen if isinstance(one, DoneRecord)], interval=study.interval)
    return study


def against(study: Study, reference: Row, others: Sequence[Row], *, family: int = 0) -> list[PairedTest]:
    """The others against the reference, those that kept logits of the same test images.

    Accuracies are means over the seeds. p-values and intervals are corrected for the comparisons made, or for `family`
    where so many could have been (`statistics.paired_together`).
    """
    like = reference.best
    known = study.correct(reference, like=like)
    tables = [(row, table) for row in others if (table := study.correct(row, like=like)) is not None]
    if known is None or not tables:
        return []
    found = paired_together([(known, table) for _, table in tables], family=family)
    return [
        PairedTest(
            row,
            one,
            (int((table & ~known).sum()), int((known & ~table).sum())) if len(known) == len(table) == 1 else None,
        )
        for (row, table), one in zip(tables, found, strict=True)
    ]


def against_best(study: Study, test_set: TestSet) -> tuple[Pick, int, list[PairedTest]]:
    """(the best row, how many comparisons are corrected for, up to `SHOWN` others against it in the table's order).

    Where the test images picked the best, every pair of rows could have become one of these comparisons.
    """
    best, others = test_set.best(), test_set.others()
    family = len(others) if best.validated else best.count * (best.count - 1) // 2
    return best, family, against(study, best.row, sorted(others, key=lambda row: row.number), family=family)


def joined(workspace: Path, runs: Collection[str]) -> list[Options]:
    """Those of the `runs` that are done, joined where only their seeds differ, the most accurate first.

    That is by mean `validation` accuracy where every run has one, else by test accuracy. `interval` is the 95 %
    interval of its mean, `seconds` the mean of what extraction, search and fit took. Each with its `runs` and
    `seeds`, what these have `drawn` beside the validation images, the mean of the test accuracy, its sample standard
    deviation (None for one run, and where nothing was drawn), its least and greatest.
    """
    chosen = [one for one in records.read_all(workspace)[0] if one.run in runs and isinstance(one, DoneRecord)]
    return [
        {
            "name": one.name,
            "dataset": one.best.dataset.name,
            "subset": one.best.dataset.subset,
            "data": naming.images([one.best]),
            "image_size": one.best.image_size,
            "weights": one.best.weights,
            "runs": [result.run for result in one.results],
            "seeds": [result.seed for result in one.results],
            "drawn": one.drawn,
            "validation": one.mean(result.validation and result.validation.accuracy for result in one.results),
            "interval": one.interval,
            "seconds": one.seconds("total"),
            "mean": one.accuracy,
            "deviation": one.deviation,
            "least": min(result.test.accuracy for result in one.results),
            "greatest": max(result.test.accuracy for result in one.results),
        }
        for one in best_first(assembled(workspace, chosen, []).rows)[0]
    ]


def _titles(results: Sequence[DoneRecord]) -> list[str]:
    """The data sets with the classes chosen of them; where two are called the same with the number of test images, then
    with their digests."""
    names = [naming.chosen(one.dataset) for one in results]
    counted = [f"{name} ({plural(one.test.rows, 'test image')})" for name, one in zip(names, results, strict=True)]
    digests = [(one.dataset.digest or "?")[:6] for one in results]
    return [
        name if names.count(name) == 1 else long if counted.count(long) == 1 else f"{long[:-1]}, {digest})"
        for name, long, digest in zip(names, counted, digests, strict=True)
    ]
