"""Accuracy against what it costs: parameters, FLOPs, seconds and bytes, each with its Pareto front."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log10
from typing import Any

import altair as alt

from pipelines.report.charts import labels
from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Figure, Figures, Section
from pipelines.report.page.text import MODE_NAMES, clipped, duration, interval, percent, short_count
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming

NAMED = 15  # points up to which all are named; of more, those on the front
BRIEF = 22  # characters of a name in the plot
HEIGHT = 300


@dataclass(frozen=True)
class Cost:
    """Something to pay: file name, short and axis title, a row's value, how it is written."""

    name: str
    short: str
    title: str
    value: Callable[[Row], float | None]
    shown: Callable[[float], str]
    axis_format: str = "~s"


@dataclass(frozen=True)
class Frame:
    """Both ends of the axes of costs and of accuracies."""

    costs: Sequence[float]
    accuracies: Sequence[float]

    def share(self, one: Mapping[str, Any]) -> float:
        """How far to the right a point is, of the whole width."""
        return log10(one["cost"] / self.costs[0]) / log10(self.costs[1] / self.costs[0])

    def within(self, accuracy: float) -> float:
        """The accuracy, or the end of the axis that it lies beyond."""
        return min(max(accuracy, self.accuracies[0]), self.accuracies[1])

    def down(self, accuracy: float) -> float:
        """Pixels from the top."""
        return HEIGHT * (self.accuracies[1] - self.within(accuracy)) / (self.accuracies[1] - self.accuracies[0])


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
        "accuracies; bars are their 95 % intervals, within which other test images could put others on it.",
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
    briefs = _briefs([row for row, _ in known])
    values = [_point(row, value, cost, brief) for (row, value), brief in zip(known, briefs, strict=True)]
    line = [values[index] for index in on_front]
    bars = [(one["low"], one["high"]) for one in values]
    accuracies = theme.bulk_domain([one["accuracy"] for one in values], bars)
    frame = Frame(theme.log_domain([one["cost"] for one in values]), accuracies)
    named = values if len(values) <= NAMED else line[-NAMED:]
    described = "; ".join(one["short"] for one in line[:12])
    beyond = [_text(one, frame) for one in values if _text(one, frame) != one["brief"]]
    outside = f" Beyond the axis: {'; '.join(beyond)}." if beyond else ""
    return Figure(
        f"accuracy-against-{cost.name}-{number}",
        f"Accuracy against {cost.short} on {test_set.title}",
        f"On the front: {described}{'; …' if len(line) > 12 else ''}.{outside}",
        _chart(values, (line, named), cost, frame),
        shape="half",
        data=test_set.data,
    )


def _point(row: Row, value: float, cost: Cost, brief: str) -> dict[str, Any]:
    return {
        "number": str(row.number),
        "name": row.best.name,
        "short": row.best.short,
        "brief": brief,
        "architecture": clipped(row.best.architecture, 40),
        "mode": MODE_NAMES[row.best.mode],
        "cost": value,
        "accuracy": 100 * row.accuracy,
        "low": 100 * row.interval[0],
        "high": 100 * row.interval[1],
        "shown": f"{percent(row.accuracy, 2)} ({interval(row.interval)})",
        "paid": cost.shown(value),
    }


def _briefs(rows: Sequence[Row]) -> list[str]:
    """Names that fit into the plot: without the mode, which has a color or is the only one, and the only backbone."""
    names = naming.names([row.best.record for row in rows], but=("seed", "dataset", "test_subset"))
    backbones = {row.best.architecture for row in rows if row.best.kind == "head"}
    left_out = [f" {mode}" for mode in naming.MODES.values()]
    left_out += [f" on {backbone}" for backbone in backbones] if len(backbones) == 1 else []
    shorter = [functools.reduce(lambda text, words: text.replace(words, "", 1), left_out, name) for name in names]
    fitted = naming.fitted(shorter if len(set(shorter)) == len(set(names)) else names, BRIEF)
    return [clipped(name.removesuffix(f", {naming.MORE}"), BRIEF) for name in fitted]


def _names(named: Sequence[dict[str, Any]], line: Sequence[dict[str, Any]], frame: Frame) -> list[dict[str, Any]]:
    """The points with where their names stand: `text`, `at`, and `dx`, `dy`, `align` and `apart` of `labels.Place`."""
    points = [
        labels.Point(
            _text(one, frame), frame.share(one), *(frame.down(one[name]) for name in ("accuracy", "high", "low"))
        )
        for one in named
    ]
    stairs = []
    for one, after in itertools.pairwise(line):
        low, high, end = frame.down(one["accuracy"]), frame.down(after["accuracy"]), frame.share(after)
        stairs += [labels.Line(frame.share(one), end, low, low), labels.Line(end, end, high, low)]
    return [
        {**one, **asdict(place), "text": point.name, "apart": place.is_apart, "at": frame.within(one["accuracy"])}
        for one, point, place in zip(named, points, labels.placed(points, HEIGHT, lines=stairs), strict=True)
        if place is not None
    ]


def _text(one: Mapping[str, Any], frame: Frame) -> str:
    """The name of a point; beyond the axis with its accuracy."""
    beyond = frame.within(one["accuracy"]) != one["accuracy"]
    return f"{one['brief']}, {one['accuracy']:.1f} %" if beyond else one["brief"]


def _chart(values: Any, parts: tuple[Any, Any], cost: Cost, frame: Frame) -> alt.LayerChart | alt.FacetChart:
    """The chart of all points; `parts` are those that the line joins, and those that are named."""
    line, named = parts
    costs = [value["cost"] for value in values]
    across = theme.x("cost", cost.title, log=costs, axis_format=cost.axis_format)
    up = theme.axis_of("test accuracy, %", domain=frame.accuracies)
    kind, colors = _colors(values)
    picked = alt.selection_point(fields=[kind], bind="legend")
    base = alt.Chart(theme.data(values)).encode(
        x=across,
        color=colors,
        opacity=alt.when(picked).then(alt.value(1.0)).otherwise(alt.value(0.12)),
        tooltip=theme.tip(
            ("name", "Run"),
            ("mode", "Mode"),
            ("shown", "Accuracy"),
            ("paid", cost.short.capitalize() if cost.name != "flops" else cost.short),
        ),
    )
    whiskers = base.mark_rule(strokeWidth=1.5, opacity=0.5, clip=True).encode(
        y=alt.Y(field="low", **up), y2=alt.Y2(field="high")
    )
    points = base.mark_point(filled=True, size=70, clip=True).encode(
        y=alt.Y(field="accuracy", **up), shape=theme.mode_shape([value["mode"] for value in values])
    )
    stairs = alt.Chart(theme.data(line)).mark_line(
        interpolate="step-after", color=theme.MUTED, strokeDash=[5, 3], strokeWidth=1.2, clip=True
    )
    return alt.layer(
        stairs.encode(x=across, y=alt.Y(field="accuracy", **up)),
        whiskers.add_params(picked),
        *_written(_names(named, line, frame), across, up),
        points,
    ).properties(height=HEIGHT)


def _written(texts: list[dict[str, Any]], across: alt.X, up: dict[str, Any]) -> list[alt.Chart]:
    """The names, and leader lines to those that stand apart from their points."""
    at, dx, dy, align = alt.Y(field="at", **up), *(alt.ExprRef(f"datum.{name}") for name in ("dx", "dy", "align"))
    leaders = alt.Chart(theme.data([one for one in texts if one["apart"]])).mark_rule(
        color=theme.MUTED, strokeWidth=0.7, x2Offset=dx, y2Offset=dy
    )
    words = alt.Chart(theme.data(texts)).mark_text(dx=dx, dy=dy, align=align, baseline="middle", color=theme.INK)
    edges = alt.Chart(theme.data([one for one in texts if one["at"] != one["accuracy"]])).mark_point(
        shape="triangle-down", size=60, filled=True, color=theme.MUTED, yOffset=-4
    )
    return [
        edges.encode(x=across, y=at),
        leaders.encode(x=across, x2=alt.X2(field="cost"), y=at, y2=alt.Y2(field="at")),
        words.encode(x=across, y=at, text=alt.Text(field="text", type="nominal")),
    ]


def _colors(values: Sequence[dict[str, Any]]) -> tuple[str, alt.Color]:
    """The field that colors the points and its channel: the mode, or the architecture where there is one mode."""
    kinds = list(dict.fromkeys(value["architecture"] for value in values))
    if len({value["mode"] for value in values}) > 1 or not 1 < len(kinds) <= len(theme.CLASS_COLORS):
        return "mode", theme.mode_color([value["mode"] for value in values])
    scale = alt.Scale(domain=kinds, range=list(theme.CLASS_COLORS[: len(kinds)]))
    legend = alt.Legend(title=None, columns=2)
    return "architecture", alt.Color(field="architecture", type="nominal", scale=scale, legend=legend)
