"""Choice of the best of several rows: by validation accuracy, or by the test images where that cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.study.rows import Row, standing

RULE = (
    "The best of several runs is the one with the highest validation accuracy. Where one of them has no validation "
    "images, the best is picked on the test images, which flatters it: that is said there, and comparisons with it are "
    "corrected for all that could have been picked."
)


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
