"""Accuracy against a cost: points with their intervals and names, placed so that none covers another."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import log10
from typing import Generic, Self

from pipelines.report.charts import labels, vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Item, Spec

BRIEF = 22  # characters of a name in the plot
HEIGHT = 280


@dataclass(frozen=True)
class Cost(Generic[Item]):
    """Something to pay: file name, short and axis title, an item's value, how it is written, whether in seconds."""

    name: str
    short: str
    title: str
    value: Callable[[Item], float | None]
    shown: Callable[[float], str]
    times: bool = False


@dataclass(frozen=True)
class Frame:
    """Both ends of the axes of costs and of accuracies."""

    costs: Sequence[float]
    accuracies: Sequence[float]

    @classmethod
    def around(cls, points: Sequence[Datum]) -> Self:
        """The frame of points with `cost`, and `accuracy` from `low` to `high` in per cent, less outliers below."""
        bars = [(one["low"], one["high"]) for one in points]
        costs = vega.log_domain([one["cost"] for one in points])
        return cls(costs, vega.bulk_domain([one["accuracy"] for one in points], bars))

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


@dataclass(frozen=True)
class Points:
    """What is drawn, each with `cost`, `accuracy`, `low`, `high` and `brief`: the points, and those that are `named`.

    A step line joins those of `line`; `others` are hollow.
    """

    values: Sequence[Datum]
    named: Sequence[Datum]
    line: Sequence[Datum] = ()
    others: Sequence[Datum] = ()


def chart(points: Points, cost: Cost[Item], *, up: str, colored: str, look: Spec, tips: Sequence[Spec]) -> Spec:
    """The chart of points over a cost; `up` is the title of the accuracies. The axis says what hollow points are.

    Points have the colors and shapes of `look`, by the field `colored`, and explain themselves by `tips`.
    """
    values, others = points.values, points.others
    title = f"{cost.title}; hollow: published results" if others else cost.title
    costs = [one["cost"] for one in (*values, *others)]
    across = vega.number("cost", title, log=costs, axis_format="~s", times=cost.times)
    frame = Frame.around([*values, *others])
    height = vega.number("accuracy", up, domain=frame.accuracies)
    params, opacity = vega.picked(colored, 1.0, 0.12)
    base: Spec = {"x": across, "color": look["color"], "opacity": opacity, "tooltip": tips}
    stairs: Spec = {
        "interpolate": "step-after", "color": theme.MUTED, "strokeDash": [5, 3], "strokeWidth": 1.2, "clip": True,
    }  # fmt: skip
    bars: Spec = {"strokeWidth": 1.5, "opacity": 0.5, "clip": True}
    whiskers = vega.mark("rule", values, bars, **base, y={**height, "field": "low"}, y2={"field": "high"})
    filled: Spec = {"filled": True, "size": 70, "clip": True}
    hollow: Spec = {"filled": False, "size": 50, "shape": "diamond", "color": theme.MUTED, "clip": True}
    layers = [
        *([vega.mark("line", points.line, stairs, x=across, y=height)] if points.line else []),
        *([vega.mark("point", others, hollow, x=across, y=height, tooltip=tips)] if others else []),
        {**whiskers, "params": params},
        *_written(_names(points, frame), across, {**height, "field": "at"}),
        vega.mark("point", values, filled, **base, y=height, shape=look["shape"]),
    ]
    return {"layer": layers, "height": HEIGHT}


def _names(points: Points, frame: Frame) -> list[Datum]:
    """The points with where their names stand: `text`, `at`, and `dx`, `dy`, `align` and `apart` of `labels.Place`."""
    unnamed = [one for one in (*points.values, *points.others) if one not in points.named]
    named, others = ([frame.point(one) for one in some] for some in (points.named, unnamed))
    stairs = []
    for one, after in itertools.pairwise(points.line):
        low, high, end = frame.down(one["accuracy"]), frame.down(after["accuracy"]), frame.share(after)
        stairs += [labels.Line(frame.share(one), end, low, low), labels.Line(end, end, high, low)]
    places = labels.placed(named, HEIGHT, others=others, lines=stairs)
    return [
        {**one, **asdict(place), "text": point.name, "apart": place.is_apart, "at": frame.within(one["accuracy"])}
        for one, point, place in zip(points.named, named, places, strict=True)
        if place is not None
    ]


def _written(texts: list[Datum], across: Spec, at: Spec) -> list[Spec]:
    """The names on paper, so that no bar strikes them, leader lines to those apart, and arrows beyond the axis."""
    dx, dy, align = ({"expr": f"datum.{name}"} for name in ("dx", "dy", "align"))
    edges = [one for one in texts if one["at"] != one["accuracy"]]
    apart = [one for one in texts if one["apart"]]
    arrow: Spec = {"shape": "triangle-down", "size": 60, "filled": True, "color": theme.MUTED, "yOffset": -4}
    leader: Spec = {"color": theme.MUTED, "strokeWidth": 0.7, "x2Offset": dx, "y2Offset": dy}
    text: Spec = {"dx": dx, "dy": dy, "align": align, "baseline": "middle", "color": theme.INK}
    halo: Spec = {**text, "stroke": theme.PAPER, "strokeWidth": 4}
    return [
        vega.mark("point", edges, arrow, x=across, y=at),
        vega.mark("rule", apart, leader, x=across, x2={"field": "cost"}, y=at, y2={"field": "at"}),
        *(vega.mark("text", texts, look, x=across, y=at, text=vega.words("text")) for look in (halo, text)),
    ]
