"""The paired comparison of runs on the same test images: differences of accuracy with interval and p-value."""

from dataclasses import dataclass

import altair as alt
import numpy as np

from extract.errors import InvalidInput
from heads.metrics import Comparison, compare
from pipelines.report import theme
from pipelines.report.blocks import Block, Figure, Section
from pipelines.report.results import Result
from pipelines.report.rows import Row
from pipelines.report.study import Study, TestSet
from pipelines.report.text import MODE_NAMES, clipped, signed
from pipelines.report.winners import RULE, Pick, best_first

SHOWN = 15


@dataclass(frozen=True)
class Difference:
    """A row against the best row of its test set, on the very same images."""

    row: Row
    comparison: Comparison


def paired(study: Study, first: Result, *, second: Result) -> Comparison | None:
    """The second result against the first, or None unless both kept logits for the same test images."""
    if first.test_images is None or first.test_images != second.test_images:
        return None
    kept, other = study.logits(first), study.logits(second)
    if kept is None or other is None or kept[0].shape != other[0].shape or not np.array_equal(kept[1], other[1]):
        return None
    try:
        return compare(kept[0], other[0], labels=kept[1])
    except InvalidInput as error:
        study.problems.append(f"runs {first.run} and {second.run} cannot be compared: {error}")
        return None


def section(study: Study) -> Section | None:
    """The best rows against the very best, for every test set; None where nothing can be paired."""
    blocks: list[Block] = []
    for number, test_set in enumerate(study.test_sets(), start=1):
        best = test_set.best()
        found = _against(study, best, test_set)
        if found:
            blocks.append(_figure(test_set, best, found, number))
    if not blocks:
        return None
    return Section(
        "differences",
        "Paired differences",
        "Each run against the best one on the same test images, image by image: much sharper than two "
        "intervals side by side. Where the bar touches zero, the test images cannot tell the two apart. " + RULE,
        blocks,
    )


def _against(study: Study, best: Pick, test_set: TestSet) -> list[Difference]:
    others = [row for row in best_first(test_set.rows)[0] if row is not best.row]
    found = []
    for row in sorted(others[:SHOWN], key=lambda row: row.number):
        comparison = paired(study, best.row.best, second=row.best)
        if comparison is not None:
            found.append(Difference(row, comparison))
    return found


def _figure(test_set: TestSet, best: Pick, found: list[Difference], number: int) -> Figure:
    values = [
        {
            "label": one.row.label,
            "name": clipped(one.row.best.name, 160),
            "mode": MODE_NAMES[one.row.best.mode],
            "difference": 100 * one.comparison.difference,
            "low": 100 * one.comparison.interval[0],
            "high": 100 * one.comparison.interval[1],
            "shown": _shown(one.comparison),
            "p": shown_p(one.comparison.p_value),
            "alone": f"{one.comparison.only_b} against {one.comparison.only_a}",
        }
        for one in found
    ]
    modes = [value["mode"] for value in values]
    title = "difference of accuracy, points"
    base = alt.Chart(theme.data(values)).encode(
        y=theme.lines("label"),
        color=theme.mode_colour(modes),
        tooltip=theme.tip(
            ("name", "Run"), ("shown", "Points"), ("p", "McNemar's p"), ("alone", "Images only it / only the best got")
        ),
    )
    whiskers = base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=theme.x("low", title), x2=alt.X2(field="high"))
    points = base.mark_point(filled=True, size=75, opacity=1).encode(
        x=theme.x("difference", title), shape=theme.mode_shape(modes)
    )
    zero = alt.Chart(theme.data([{"low": 0}])).mark_rule(color=theme.MUTED, strokeDash=[4, 3])
    chart = alt.layer(zero.encode(x=theme.x("low", title)), whiskers, points).properties(
        height=theme.list_height(len(found))
    )
    return Figure(
        f"differences-{number}",
        f"Against {clipped(best.row.best.name, 50)} on {clipped(test_set.title, 40)}",
        f"The reference is the {best.how}. "
        "Percentage points, 95 % intervals (paired resampling); McNemar's exact test in the tooltip.",
        chart,
    )


def _shown(comparison: Comparison) -> str:
    middle, low, high = (signed(100 * one, 2) for one in (comparison.difference, *comparison.interval))
    return f"{middle} ({low} to {high})"


def shown_p(value: float) -> str:
    """A p-value as papers write it."""
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
