"""Parallel coordinates: every trial of a search as a line through its hyperparameters, colored by accuracy."""

from collections.abc import Collection, Mapping, Sequence
from math import log10
from typing import Any

import altair as alt

from pipelines.report.page import theme
from pipelines.report.page.blocks import Figure
from pipelines.report.page.text import clipped
from pipelines.report.study.results import number

MOST = 9  # axes side by side
AXIS = 155  # pixels for each, below which the page scrolls and a file is wider
RESULT = "validation, %"


def figure(
    trials: Sequence[Mapping[str, Any]], *, logarithmic: Collection[str], name: str, title: str
) -> Figure | None:
    """The figure of the trials (`number`, `params`, `value`), or None where fewer than two options vary.

    `logarithmic` are the options that were drawn on such a scale, which their axes have too.
    """
    options = _varying(trials)
    if len(options) < 2 or len(trials) < 2:
        return None
    axes = [
        _Axis(option, [trial["params"].get(option) for trial in trials], logarithmic=option in logarithmic)
        for option in options
    ]
    axes.append(_Axis(RESULT, [100 * trial["value"] for trial in trials]))
    return Figure(
        name,
        f"{title}: parallel coordinates",
        "One line per trial; darker is more accurate. Hyperparameters that were drawn on a logarithmic scale "
        "(log) are shown on one.",
        _chart(axes, trials),
    )


class _Axis:
    """One upright axis: its title, and where each value stands between 0 and 1 (None: not given)."""

    def __init__(self, title: str, values: Sequence[Any], *, logarithmic: bool = False) -> None:
        self.title = clipped(title, 18) + (" (log)" if logarithmic else "")
        numbers = [number(value) for value in values]
        known = [value for value in numbers if value is not None]
        self.shown = [_written(value) for value in values]
        if len(known) == len([value for value in values if value is not None]):
            self.places, self.ticks = _numeric(numbers, known, logarithmic=logarithmic)
        else:
            self.places, self.ticks = _nominal(self.shown)


def _numeric(
    values: Sequence[float | None], known: Sequence[float], *, logarithmic: bool
) -> tuple[list[float | None], dict[float, str]]:
    low, high = min(known), max(known)
    logarithmic = logarithmic and low > 0
    start, end = (log10(low), log10(high)) if logarithmic else (low, high)
    width = (end - start) or 1.0
    places = [None if one is None else ((log10(one) if logarithmic else one) - start) / width for one in values]
    return places, {0.0: _written(low), 1.0: _written(high)}


def _nominal(shown: Sequence[str]) -> tuple[list[float | None], dict[float, str]]:
    kinds = sorted(set(shown))
    step = 1 / max(1, len(kinds) - 1)
    return [kinds.index(one) * step for one in shown], {index * step: kind for index, kind in enumerate(kinds)}


def _varying(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for trial in trials for name in trial["params"])
    varied = [name for name in names if len({str(trial["params"].get(name)) for trial in trials}) > 1]
    return varied[:MOST]


def _written(value: Any) -> str:
    found = number(value)
    return clipped("not given" if value is None else f"{found:.4g}" if found is not None else str(value), 18)


def _chart(axes: Sequence[_Axis], trials: Sequence[Mapping[str, Any]]) -> alt.LayerChart | alt.FacetChart:
    titles = _distinct([axis.title for axis in axes])
    points, ticks = _points(axes, titles, trials=trials), _ticks(axes, titles)
    across = alt.X(
        field="axis",
        type="nominal",
        title=None,
        scale=alt.Scale(domain=titles, padding=0.35),
        axis=alt.Axis(labelAngle=0, orient="top", domain=False, ticks=False, grid=True, labelLimit=AXIS - 5),
    )
    up = alt.Y(field="place", type="quantitative", axis=None, scale=alt.Scale(domain=[-0.1, 1.1], nice=False))
    ramp = alt.Scale(range=[theme.FAINT, theme.BLUE])
    lines = (
        alt.Chart(theme.data(points))
        .mark_line(strokeWidth=1.6, opacity=0.75)
        .encode(
            x=across,
            y=up,
            detail=alt.Detail(field="trial", type="nominal"),
            color=alt.Color(
                field="value",
                type="quantitative",
                scale=ramp,
                legend=alt.Legend(title="validation accuracy, %", gradientLength=140),
            ),
            tooltip=[alt.Tooltip(field="trial", type="quantitative", title="Trial"), *theme.tip(("shown", "Value"))],
        )
    )
    chart = alt.layer(lines, *(mark.encode(x=across, y=up) for mark in _marks(ticks)))
    return chart.properties(usermeta={"least_width": AXIS * len(axes)})


def _marks(ticks: Sequence[Mapping[str, Any]]) -> list[alt.Chart]:
    """The ends of each axis above and below the lines; what is between lies on paper, so that no line strikes it."""
    between = [one for one in ticks if 0 < one["place"] < 1]
    marks = [_text([one for one in ticks if one["place"] == end], dy=dy) for end, dy in ((1, -10), (0, 10))]
    return [*marks, _text(between, stroke=theme.PAPER, strokeWidth=4), _text(between)] if between else marks


def _text(ticks: Sequence[Mapping[str, Any]], **look: Any) -> alt.Chart:
    marks = alt.Chart(theme.data(ticks)).mark_text(fontSize=10, color=theme.INK, **look)
    return marks.encode(text=alt.Text(field="text", type="nominal"))


def _points(
    axes: Sequence[_Axis], titles: Sequence[str], *, trials: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    return [
        {
            "trial": trial["number"],
            "axis": title,
            "place": axis.places[index],
            "shown": f"{title} {axis.shown[index]}",
            "value": 100 * trial["value"],
        }
        for axis, title in zip(axes, titles, strict=True)
        for index, trial in enumerate(trials)
        if axis.places[index] is not None
    ]


def _ticks(axes: Sequence[_Axis], titles: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"axis": title, "place": place, "text": text}
        for axis, title in zip(axes, titles, strict=True)
        for place, text in axis.ticks.items()
    ]


def _distinct(titles: Sequence[str]) -> list[str]:
    return [title if titles.index(title) == index else f"{title} ({index})" for index, title in enumerate(titles)]
