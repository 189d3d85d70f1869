"""Rows against a reference, image by image on the same test images, corrected for how many are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

from heads.statistics import Paired, paired_together
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.report.study.winners import Pick, best_first

SHOWN = 15


@dataclass(frozen=True)
class PairedTest:
    """A row against a reference. `alone` are the images that only it, and only the reference, was correct on.

    `alone` is None where one of the two has several seeds.
    """

    row: Row
    paired: Paired
    alone: tuple[int, int] | None


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
    best = test_set.best()
    others = [row for row in best_first(test_set.rows)[0] if row is not best.row][:SHOWN]
    family = len(others) if best.validated else best.count * (best.count - 1) // 2
    return best, family, against(study, best.row, sorted(others, key=lambda row: row.number), family=family)
