"""Accuracy against what it costs: parameters, FLOPs, seconds and bytes, each with its Pareto front."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import altair as alt

from pipelines.report import theme
from pipelines.report.blocks import Block, Figure, Figures, Section
from pipelines.report.rows import Row
from pipelines.report.study import Study, TestSet
from pipelines.report.text import MODE_NAMES, clipped, duration, interval, percent, short_count


@dataclass(frozen=True)
class Cost:
    """Something to pay: file name, short and axis title, a row's value, how it is written."""

    name: str
    short: str
    title: str
    value: Callable[[Row], float | None]
    shown: Callable[[float], str]
    axis_format: str = "~s"


COSTS = (
    Cost("parameters", "parameters", "parameters", lambda row: row.best.parameters, short_count),
    Cost("flops", "FLOPs", "FLOPs per image", lambda row: row.best.flops, short_count),
    Cost("seconds", "time", "seconds: extraction, search and fit", lambda row: row.seconds("total"), duration, "~g"),
    Cost(
        "bytes", "size", "bytes of the kept weights", lambda row: row.best.bytes, lambda value: short_count(value) + "B"
    ),
)


def section(study: Study) -> Section | None:
    """Four plots for every test set with at least two rows; None without one."""
    blocks: list[Block] = []
    for number, test_set in enumerate(study.test_sets(), start=1):
        figures = [figure for cost in COSTS if (figure := _figure(test_set, cost, number)) is not None]
        if figures:
            blocks.append(Figures(figures))
    if not blocks:
        return None
    return Section(
        "trade-offs",
        "Trade-offs",
        "The line joins the Pareto front: runs that no other beats in both accuracy and cost. It goes by the measured "
        "accuracies; bars are their 95 % intervals, within which other test images could put others on it. Numbers on "
        "it are those of the table.",
        blocks,
    )


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, accuracy) pairs that no other pair beats, cheapest first.

    A pair is beaten by one that is at most as costly and at least as accurate, and better in one of the two. Of
    equal pairs the first stays.
    """
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index))
    kept: list[int] = []
    for index in order:
        if not kept or points[index][1] > points[kept[-1]][1]:
            kept.append(index)
    return kept


def _figure(test_set: TestSet, cost: Cost, number: int) -> Figure | None:
    known = [(row, value) for row in test_set.rows if (value := cost.value(row))]
    if len({value for _, value in known}) < 2:
        return None
    on_front = front([(value, row.accuracy) for row, value in known])
    values = [_point(row, value, cost) for row, value in known]
    line = [values[index] for index in on_front]
    labelled = _apart(line)
    described = ", ".join(f"{one['number']} {one['short']}" for one in line[:12])
    return Figure(
        f"accuracy-against-{cost.name}-{number}",
        f"Accuracy against {cost.short} on {clipped(test_set.title, 40)}",
        f"On the front: {described}{' …' if len(line) > 12 else ''}.",
        _chart(values, line, labelled, cost),
        shape="half",
    )


def _point(row: Row, value: float, cost: Cost) -> dict[str, Any]:
    return {
        "number": str(row.number),
        "name": clipped(row.best.name, 160),
        "short": clipped(row.best.name, 36),
        "mode": MODE_NAMES[row.best.mode],
        "cost": value,
        "accuracy": 100 * row.accuracy,
        "low": 100 * row.interval[0],
        "high": 100 * row.interval[1],
        "shown": f"{percent(row.accuracy, 2)} ({interval(row.interval)})",
        "paid": cost.shown(value),
    }


def _apart(line: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points of the front whose labels do not cover one another, the most accurate first."""
    if not line:
        return []
    costs = [log10(one["cost"]) for one in line]
    heights = [one["accuracy"] for one in line]
    width, height = (max(costs) - min(costs)) or 1.0, (max(heights) - min(heights)) or 1.0
    kept: list[tuple[float, float, dict[str, Any]]] = []
    for cost, accuracy, one in reversed(list(zip(costs, heights, line, strict=True))):
        place = cost / width, accuracy / height
        if all(abs(place[0] - other[0]) > 0.07 or abs(place[1] - other[1]) > 0.12 for other in kept):
            kept.append((*place, one))
    return [one for _, _, one in kept]


def _chart(values: Any, line: Any, labelled: Any, cost: Cost) -> alt.LayerChart | alt.FacetChart:
    modes = [value["mode"] for value in values]
    across = theme.x("cost", cost.title, log=[value["cost"] for value in values], axis_format=cost.axis_format)
    picked = alt.selection_point(fields=["mode"], bind="legend")
    base = alt.Chart(theme.data(values)).encode(
        x=across,
        color=theme.mode_colour(modes),
        opacity=alt.when(picked).then(alt.value(1.0)).otherwise(alt.value(0.12)),
        tooltip=theme.tip(
            ("name", "Run"),
            ("mode", "Mode"),
            ("shown", "Accuracy"),
            ("paid", cost.short.capitalize() if cost.name != "flops" else cost.short),
        ),
    )
    whiskers = base.mark_rule(strokeWidth=1.5, opacity=0.5).encode(
        y=theme.y("low", "test accuracy, %"), y2=alt.Y2(field="high")
    )
    points = base.mark_point(filled=True, size=70).encode(
        y=theme.y("accuracy", "test accuracy, %"), shape=theme.mode_shape(modes)
    )
    stairs = alt.Chart(theme.data(line)).encode(x=across, y=theme.y("accuracy", "test accuracy, %"))
    joined = stairs.mark_line(interpolate="step-after", color=theme.MUTED, strokeDash=[5, 3], strokeWidth=1.2)
    named = alt.Chart(theme.data(labelled)).encode(
        x=across, y=theme.y("accuracy", "test accuracy, %"), text=alt.Text(field="number", type="nominal")
    )
    marks = named.mark_text(dx=-6, dy=-9, align="right", fontWeight=600, color=theme.INK)
    return alt.layer(joined, whiskers.add_params(picked), points, marks)
