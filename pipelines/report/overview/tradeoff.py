"""Accuracy against what it costs: parameters, FLOPs, seconds and bytes, each with its Pareto front."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import log10

from extract.runtime.formats import amount, bytes_amount, duration, percent
from pipelines.report.charts import labels, vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Figure, Section, Spec, side_by_side
from pipelines.report.page.measure import cut
from pipelines.report.page.text import clipped
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming

NAMED = 15  # points up to which all are named; of more, those on the front
BRIEF = 22  # characters of a name in the plot
HEIGHT = 280


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

    def share(self, one: Datum) -> float:
        """Horizontal position of a point, as a share of the width."""
        return log10(one["cost"] / self.costs[0]) / log10(self.costs[1] / self.costs[0])

    def within(self, accuracy: float) -> float:
        """The accuracy, or the end of the axis that it lies beyond."""
        return min(max(accuracy, self.accuracies[0]), self.accuracies[1])

    def down(self, accuracy: float) -> float:
        """Pixels from the top."""
        return HEIGHT * (self.accuracies[1] - self.within(accuracy)) / (self.accuracies[1] - self.accuracies[0])

    def point(self, one: Datum) -> labels.NamedPoint:
        """A point with its name and its bar, as names are placed."""
        return labels.NamedPoint(
            self.name(one), self.share(one), *(self.down(one[at]) for at in ("accuracy", "high", "low"))
        )

    def name(self, one: Datum) -> str:
        """The name of a point; beyond the axis with its accuracy."""
        beyond = self.within(one["accuracy"]) != one["accuracy"]
        return f"{one['brief']}, {one['accuracy']:.1f} %" if beyond else one["brief"]


COSTS = (
    Cost("parameters", "parameters", "parameters", lambda row: row.best.parameters, amount),
    Cost("flops", "FLOPs", "FLOPs per image", lambda row: row.best.flops, amount),
    Cost("seconds", "time", "seconds: extraction, search and fit", lambda row: row.seconds("total"), duration, "~g"),
    Cost("bytes", "size", "bytes of the kept weights", lambda row: row.best.bytes, bytes_amount),
)


def section(study: Study) -> Section:
    """Four plots for every test set with at least two rows."""
    return Section(
        "trade-offs",
        "Trade-offs",
        "The line joins the Pareto front: runs that no other beats in both accuracy and cost. It goes by the measured "
        "accuracies; bars are their 95 % intervals, within which other test images could put others on it.",
        [side_by_side(_figure(test_set, cost) for cost in COSTS) for test_set in study.test_sets()],
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


def _figure(test_set: TestSet, cost: Cost) -> Figure | None:
    known = [(row, value) for row in test_set.rows if (value := cost.value(row))]
    others = _published(test_set) if cost.name == "parameters" else []
    if not known or len({value for _, value in known} | {one["cost"] for one in others}) < 2:
        return None
    briefs = _briefs([row for row, _ in known])
    values = [
        {
            **vega.of_row(row),
            "short": row.short,
            "brief": brief,
            "architecture": clipped(row.best.architecture, 40),
            "cost": value,
            "paid": cost.shown(value),
        }
        for (row, value), brief in zip(known, briefs, strict=True)
    ]
    line = [values[index] for index in front([(value, row.accuracy) for row, value in known])]
    bars = [(one["low"], one["high"]) for one in values]
    bars += [(one["low"], one["high"]) for one in others]
    accuracies = vega.bulk_domain([one["accuracy"] for one in (*values, *others)], bars)
    frame = Frame(vega.log_domain([one["cost"] for one in (*values, *others)]), accuracies)
    named = values if len(values) <= NAMED else line[-NAMED:]
    alike = {row.best.architecture for row, _ in known}
    named = [*named, *(one for one in others if one["architecture"] in alike or len(named) + len(others) <= NAMED)]
    described = "; ".join(one["short"] for one in line[:12])
    beyond = [frame.name(one) for one in values if frame.name(one) != one["brief"]]
    outside = f" Beyond the axis: {'; '.join(beyond)}." if beyond else ""
    hollow = " Hollow: published results, as in the comparison; they count for no front." if others else ""
    caption = f"On the front: {described}{'; …' if len(line) > 12 else ''}.{outside}{hollow}"
    unnamed = [one for one in (*values, *others) if one not in named]
    chart = _chart(values, _names(named, unnamed, line, frame), line, cost=cost, frame=frame, others=others)
    return test_set.figure(
        f"accuracy-against-{cost.name}", f"Accuracy against {cost.short}", caption, chart, shape="half"
    )


def _published(test_set: TestSet) -> list[Datum]:
    """The published points of the test set."""
    return [
        {
            "name": one.network, "brief": one.network, "architecture": one.network,
            "mode": f"{one.source}: {one.chosen}",
            "cost": one.parameters, "paid": amount(one.parameters), "shown": percent(one.accuracy),
            **dict.fromkeys(("accuracy", "low", "high"), 100 * one.accuracy),
        }
        for one in test_set.published
    ]  # fmt: skip


def _briefs(rows: Sequence[Row]) -> list[str]:
    """Names that fit into the plot: without the mode, which has a color or is the only one, and the only backbone."""
    names = naming.names([row.best for row in rows], but=naming.OF_TEST)
    backbones = {row.best.architecture for row in rows if row.best.kind == "head"}
    left_out = [f" {mode}" for mode in naming.MODES.values()]
    left_out += [f" on {backbone}" for backbone in backbones] if len(backbones) == 1 else []
    shorter = [functools.reduce(lambda text, words: text.replace(words, "", 1), left_out, name) for name in names]
    fitted = naming.fitted(shorter if len(set(shorter)) == len(set(names)) else names, BRIEF)
    room = BRIEF * labels.CHARACTER
    return [cut(name.removesuffix(f", {naming.MORE}"), size=theme.LEAST_FONT, room=room) for name in fitted]


def _names(named: Sequence[Datum], unnamed: Sequence[Datum], line: Sequence[Datum], frame: Frame) -> list[Datum]:
    """The points with where their names stand: `text`, `at`, and `dx`, `dy`, `align` and `apart` of `labels.Place`."""
    points, others = ([frame.point(one) for one in some] for some in (named, unnamed))
    stairs = []
    for one, after in itertools.pairwise(line):
        low, high, end = frame.down(one["accuracy"]), frame.down(after["accuracy"]), frame.share(after)
        stairs += [labels.Line(frame.share(one), end, low, low), labels.Line(end, end, high, low)]
    places = labels.placed(points, HEIGHT, others=others, lines=stairs)
    return [
        {**one, **asdict(place), "text": point.name, "apart": place.is_apart, "at": frame.within(one["accuracy"])}
        for one, point, place in zip(named, points, places, strict=True)
        if place is not None
    ]


def _chart(
    values: list[Datum], texts: list[Datum], line: list[Datum], *, cost: Cost, frame: Frame, others: list[Datum]
) -> Spec:
    """The chart of all points, the `texts` that name them, those that the line joins, and the published `others`."""
    costs = [value["cost"] for value in (*values, *others)]
    across = vega.number("cost", cost.title, log=costs, axis_format=cost.axis_format)
    up = vega.number("accuracy", "test accuracy, %", domain=frame.accuracies)
    colored, look = _colors(values)
    params, opacity = vega.picked(colored, 1.0, 0.12)
    paid = cost.short if cost.name == "flops" else cost.short.capitalize()
    tips = vega.tip(("name", "Run"), ("mode", "Mode"), ("shown", "Accuracy"), ("paid", paid))
    base: Spec = {"x": across, "color": look["color"], "opacity": opacity, "tooltip": tips}
    stairs: Spec = {
        "interpolate": "step-after", "color": theme.MUTED, "strokeDash": [5, 3], "strokeWidth": 1.2, "clip": True,
    }  # fmt: skip
    bars: Spec = {"strokeWidth": 1.5, "opacity": 0.5, "clip": True}
    whiskers = vega.mark("rule", values, bars, **base, y={**up, "field": "low"}, y2={"field": "high"})
    points = vega.mark("point", values, {"filled": True, "size": 70, "clip": True}, **base, y=up, shape=look["shape"])
    hollow: Spec = {"filled": False, "size": 50, "shape": "diamond", "color": theme.MUTED, "clip": True}
    layers = [
        vega.mark("line", line, stairs, x=across, y=up),
        *([vega.mark("point", others, hollow, x=across, y=up, tooltip=tips)] if others else []),
        {**whiskers, "params": params},
        *_written(texts, across, {**up, "field": "at"}),
        points,
    ]
    return {"layer": layers, "height": HEIGHT}


def _written(texts: list[Datum], across: Spec, at: Spec) -> list[Spec]:
    """The names, leader lines to those that stand apart from their points, and arrows beyond the axis."""
    dx, dy, align = ({"expr": f"datum.{name}"} for name in ("dx", "dy", "align"))
    edges = [one for one in texts if one["at"] != one["accuracy"]]
    apart = [one for one in texts if one["apart"]]
    arrow: Spec = {"shape": "triangle-down", "size": 60, "filled": True, "color": theme.MUTED, "yOffset": -4}
    leader: Spec = {"color": theme.MUTED, "strokeWidth": 0.7, "x2Offset": dx, "y2Offset": dy}
    text: Spec = {"dx": dx, "dy": dy, "align": align, "baseline": "middle", "color": theme.INK}
    return [
        vega.mark("point", edges, arrow, x=across, y=at),
        vega.mark("rule", apart, leader, x=across, x2={"field": "cost"}, y=at, y2={"field": "at"}),
        vega.mark("text", texts, text, x=across, y=at, text=vega.words("text")),
    ]


def _colors(values: Sequence[Datum]) -> tuple[str, Spec]:
    """(field that colors the points, their color and shape): the mode, or the architecture where there is one mode."""
    kinds = list(dict.fromkeys(value["architecture"] for value in values))
    look = vega.modes([value["mode"] for value in values])
    if len({value["mode"] for value in values}) > 1 or not 1 < len(kinds) <= len(theme.CLASS_COLORS):
        return "mode", look
    color = vega.kinds("architecture", kinds, theme.class_colors(len(kinds)), legend={"columns": 2})
    return "architecture", {**look, "color": color}
