"""Parallel coordinates: every trial of a search as a line through its hyperparameters, colored by accuracy."""

from collections.abc import Collection, Sequence
from math import log10

from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Figure, Spec
from pipelines.report.page.text import clipped
from pipelines.workspace.explorations import SearchTrial

MOST = 9  # axes side by side
AXIS = 155  # pixels for each, below which the page scrolls and a file is wider


def figure(trials: Sequence[SearchTrial], *, logarithmic: Collection[str], name: str, title: str) -> Figure | None:
    """The figure of the trials (`number`, `params`, `value`), or None where fewer than two options vary.

    `logarithmic` are the options that were drawn on such a scale, which their axes have too.
    """
    names = dict.fromkeys(name for trial in trials for name in trial["params"])
    options = [name for name in names if len({str(trial["params"].get(name)) for trial in trials}) > 1][:MOST]
    if len(options) < 2:
        return None
    axes = [
        _Axis(option, [trial["params"].get(option) for trial in trials], logarithmic=option in logarithmic)
        for option in options
    ]
    axes.append(_Axis("validation, %", [100 * (trial["value"] or 0.0) for trial in trials]))
    return Figure(
        name,
        f"{title}: parallel coordinates",
        "One line per trial; darker is more accurate. Hyperparameters that were drawn on a logarithmic scale "
        "(log) are shown on one.",
        _chart(axes, trials),
        least_width=AXIS * len(axes),
    )


class _Axis:
    """One upright axis: its title, and where each value stands between 0 and 1 (None: not given)."""

    def __init__(self, title: str, values: Sequence[object], *, logarithmic: bool = False) -> None:
        self.title = clipped(title, 18) + (" (log)" if logarithmic else "")
        self.shown = [_written(value) for value in values]
        numbers = [_number(value) for value in values]
        known = [value for value in numbers if value is not None]
        self.places: list[float | None]
        if len(known) == len([value for value in values if value is not None]):
            low, high = min(known), max(known)
            start, end = (log10(low), log10(high)) if (logarithmic := logarithmic and low > 0) else (low, high)
            width = (end - start) or 1.0
            self.places = [
                None if one is None else ((log10(one) if logarithmic else one) - start) / width for one in numbers
            ]
            self.ticks = {0.0: _written(low), 1.0: _written(high)}
        else:
            kinds = sorted(set(self.shown))
            step = 1 / max(1, len(kinds) - 1)
            self.places = [kinds.index(one) * step for one in self.shown]
            self.ticks = {index * step: kind for index, kind in enumerate(kinds)}


def _number(value: object) -> float | None:
    """A finite number as float, else None. True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None


def _written(value: object) -> str:
    found = _number(value)
    return clipped("not given" if value is None else f"{found:.4g}" if found is not None else str(value), 18)


def _chart(axes: Sequence[_Axis], trials: Sequence[SearchTrial]) -> Spec:
    titles = [axis.title for axis in axes]
    titles = [one if titles.index(one) == index else f"{one} ({index})" for index, one in enumerate(titles)]
    named = list(zip(axes, titles, strict=True))
    points = [
        {
            "trial": trial["number"],
            "axis": title,
            "place": axis.places[index],
            "shown": f"{title} {axis.shown[index]}",
            "value": 100 * (trial["value"] or 0.0),
        }
        for axis, title in named
        for index, trial in enumerate(trials)
        if axis.places[index] is not None
    ]
    ticks = [{"axis": title, "place": at, "text": text} for axis, title in named for at, text in axis.ticks.items()]
    look = {"labelAngle": 0, "orient": "top", "domain": False, "ticks": False, "grid": True, "labelLimit": AXIS - 5}
    base: Spec = {
        "x": {**vega.words("axis"), "title": None, "scale": {"domain": titles, "padding": 0.35}, "axis": look},
        "y": {**vega.plain("place"), "axis": None, "scale": {"domain": [-0.1, 1.1], "nice": False}},
    }
    color = {
        **vega.plain("value"),
        "scale": {"range": [theme.FAINT, theme.BLUE]},
        "legend": {"title": "validation accuracy, %", "gradientLength": 140},
    }
    tips = [{**vega.plain("trial"), "title": "Trial"}, *vega.tip(("shown", "Value"))]
    channels: Spec = {**base, "detail": vega.words("trial"), "color": color, "tooltip": tips}
    return {
        "layer": [vega.mark("line", points, {"strokeWidth": 1.6, "opacity": 0.75}, **channels), *_marks(ticks, base)]
    }


def _marks(ticks: Sequence[Datum], base: Spec) -> list[Spec]:
    """The ends of each axis above and below the lines; what is between lies on paper, so that no line strikes it."""
    between = [one for one in ticks if 0 < one["place"] < 1]
    marks = [([one for one in ticks if one["place"] == end], {"dy": dy}) for end, dy in ((1, -10), (0, 10))]
    marks += [(between, {"stroke": theme.PAPER, "strokeWidth": 4}), (between, {})] if between else []
    return [
        vega.mark("text", some, {"color": theme.INK, **look}, **base, text=vega.words("text")) for some, look in marks
    ]
