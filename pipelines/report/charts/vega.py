"""Vega-Lite from its parts: marks over plain values, the channels that place, color and explain them, and intervals."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from statistics import fmean, quantiles

from extract.runtime.formats import percent
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Figure, Spec
from pipelines.report.page.text import interval
from pipelines.report.study.rows import Row
from pipelines.workspace import naming
from pipelines.workspace.schema import DoneRecord

SPANS = (
    *(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
    *(60, 180, 600, 1800, 3600, 10_800, 36_000, 86_400, 360_000, 864_000),
)  # seconds at which an axis of times has its ticks, or their distance; every other one where they are many
AS_TIME = (
    "datum.value >= 3600 ? format(datum.value / 3600, '~g') + ' h' : "
    "datum.value >= 60 ? format(datum.value / 60, '~g') + ' min' : "
    "datum.value >= 1 ? format(datum.value, '~g') + ' s' : "
    "datum.value ? format(1000 * datum.value, '~g') + ' ms' : '0'"
)


def mark(kind: str, values: Sequence[Mapping[str, object]], look: Mapping[str, object], **channels: object) -> Spec:
    """One layer: a mark of a `look` for every one of the `values`, placed by the channels of its encoding."""
    return {"data": {"values": list(values)}, "mark": {"type": kind, **look}, "encoding": channels}


def number(
    field: str,
    title: str | None,
    *,
    log: Sequence[float] = (),
    domain: Sequence[float] | None = None,
    zero: bool = False,
    axis_format: str | None = None,
    grid: bool = True,
    ticks: int = 6,
    times: bool = False,
) -> Spec:
    """A numeric axis that fits the data. `log` holds the values that a logarithmic axis must show.

    Numbers that are `times` are seconds, written in the unit of each; a linear axis needs a `domain` for them.
    """
    scale: Spec = {"nice": domain is None and not log}
    axis: Spec = {"grid": grid, "tickCount": ticks}
    if log:
        domain = log_domain(log)
        scale["type"] = "log"
        axis["values"] = log_ticks(*domain)
    else:
        scale["zero"] = zero
    if domain is not None:
        scale["domain"] = list(domain)
    if axis_format:
        axis["format"] = axis_format
    if times:
        assert domain is not None
        values = time_ticks(*domain, log=bool(log))
        axis |= {"values": values, "tickCount": len(values), "labelExpr": AS_TIME}  # Vega drops every other of more
    return {**plain(field), "title": title, "scale": scale, "axis": axis}


def plain(field: str) -> Spec:
    """A number on an axis that another layer describes."""
    return {"field": field, "type": "quantitative"}


def words(field: str) -> Spec:
    """Text from a field."""
    return {"field": field, "type": "nominal"}


def lines(field: str, *, limit: int = 330) -> Spec:
    """A line for each name in `field`, in the order of the data; the page narrows the names on a narrow screen."""
    return {**words(field), "title": None, "sort": None, "axis": {"labelLimit": limit, "grid": False}}


def kinds(field: str, names: Sequence[str], shown: Sequence[object], *, legend: Mapping[str, object] | None) -> Spec:
    """Colors, dashes or shapes `shown` for the `names` in a field; `legend` None is none."""
    found = None if legend is None else {"title": None, **legend}
    return {**words(field), "scale": {"domain": list(names), "range": list(shown)}, "legend": found}


def modes(present: Sequence[str]) -> Spec:
    """Color and shape by the field `mode`, with a legend of the modes that occur where there are several."""
    names = [name for name in naming.MODES.values() if name in present]
    legend: Spec | None = {} if len(names) > 1 else None
    return {
        channel: kinds("mode", names, [look[name] for name in names], legend=legend)
        for channel, look in (("color", theme.MODE_COLORS), ("shape", theme.MODE_SHAPES))
    }


def of_row(row: Row) -> Datum:
    """Data of a row in charts: `label`, `name`, `mode`, and `accuracy` from `low` to `high` in per cent."""
    low, high = row.interval
    return {
        "label": row.label,
        "name": row.name,
        "mode": naming.MODES[row.best.mode],
        "accuracy": 100 * row.accuracy,
        "low": 100 * low,
        "high": 100 * high,
        "shown": f"{percent(row.accuracy)} ({interval(row.interval)})",
    }


def of_run(
    result: DoneRecord,
    name: str,
    title: str,
    caption: str,
    chart: Spec,
    *,
    shape: str = "square",
    least_width: int = 0,
) -> Figure:
    """A figure of one run, under a name of its own."""
    data = naming.data([result])
    return Figure(f"{name}-{result.run}", title, caption, chart, shape=shape, data=data, least_width=least_width)


def tip(*fields: tuple[str, str]) -> list[Spec]:
    """A tooltip of (field, title) pairs; the fields hold text that is ready to be shown."""
    return [{**words(name), "title": title} for name, title in fields]


def ranges(
    values: Sequence[Datum],
    field: str,
    *,
    title: str,
    tips: Sequence[Spec],
    zero: bool = False,
    look: Spec | None = None,
) -> Spec:
    """A line for each of `values`, at its `label`: `field` with a bar from `low` to `high`, colored by `mode`.

    `look` are channels `color` and `shape` in place of those of modes. The axis is that of the bulk; an outlier is
    named at its edge by its value. `zero` marks zero.
    """
    domain = bulk_domain([one[field] for one in values], [(one["low"], one["high"]) for one in values])
    if zero:
        room = 0.04 * (domain[1] - domain[0])
        domain = [min(domain[0], -room), max(domain[1], room)]
    look = look or modes([value["mode"] for value in values])
    line, at = lines("label"), number(field, title, domain=domain)
    base = {"y": line, "color": look["color"], "tooltip": list(tips)}
    low, high = number("low", title, domain=domain), {"field": "high"}
    bars: Spec = {"strokeWidth": 2, "opacity": 0.55, "clip": True}
    dots: Spec = {"filled": True, "size": 75, "opacity": 1, "clip": True}
    layers = [
        mark("rule", values, bars, **base, x=low, x2=high),
        mark("point", values, dots, **base, x=at, shape=look["shape"]),
        *_beyond(values, field, domain),
    ]
    if zero:
        layers.insert(0, mark("rule", [{field: 0}], {"color": theme.MUTED, "strokeDash": [4, 3]}, x=at))
    return {"layer": layers, "height": list_height(len(values))}


def _beyond(values: Sequence[Datum], field: str, domain: Sequence[float]) -> list[Spec]:
    """The values beyond either end of the axis, written at that end with an arrow."""
    found = []
    for end, arrow, align in ((domain[0], "← {:.1f}", "left"), (domain[1], "{:.1f} →", "right")):
        texts = [
            {"label": one["label"], "at": end, "text": arrow.format(one[field]).replace("-", "\u2212")}
            for one in values
            if (one[field] < end if align == "left" else one[field] > end)
        ]
        look: Spec = {"align": align, "dx": 4 if align == "left" else -4}
        channels = {"x": plain("at"), "y": lines("label"), "text": words("text")}
        found += [mark("text", texts, look, **channels)] if texts else []
    return found


def picked(field: str, on: float, off: float) -> tuple[list[Spec], Spec]:
    """(parameters, opacity): a click on the legend leaves one kind at opacity `on`, and the others at `off`."""
    params: Spec = {"name": "picked", "select": {"type": "point", "fields": [field]}, "bind": "legend"}
    return [params], {"condition": {"param": "picked", "value": on}, "value": off}


def rule(field: str, value: float | None) -> list[Spec]:
    """A dashed line at the value of a horizontal axis that was chosen; nothing where there is none."""
    look: Spec = {"strokeDash": [4, 3], "color": theme.GREEN, "strokeWidth": 1.5}
    return [] if value is None else [mark("rule", [{field: value}], look, x=plain(field))]


def list_height(count: int) -> int:
    """Pixels for `count` lines with a name each."""
    return 22 * max(count, 2)


def log_domain(values: Sequence[float]) -> list[float]:
    """Both ends of a logarithmic axis that shows positive values, with room beside them."""
    room = (max(values) / min(values)) ** 0.06 * 1.08
    return [min(values) / room, max(values) * room]


def bulk_domain(values: Sequence[float], bars: Sequence[tuple[float, float]] | None = None) -> list[float]:
    """Both ends of an axis that shows values with their bars, less outliers, with room beside them.

    Outliers lie more than three times the interquartile range, or the mean bar where that is longer, beyond the
    quartiles (the outer fences of Tukey, 1977).
    """
    bars = [(value, value) for value in values] if bars is None else bars
    first, _, third = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    reach = 3 * max(third - first, fmean(high - low for low, high in bars))
    kept = [bar for value, bar in zip(values, bars, strict=True) if first - reach <= value <= third + reach]
    low, high = min(low for low, _ in kept), max(high for _, high in kept)
    room = 0.06 * (high - low) or 1.0
    return [low - room, high + room]


def log_ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between two positive ones: powers of ten, with steps between where there is room."""
    first, last = floor(log10(low)), floor(log10(high))
    ticks: list[float] = []
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 6:
            break
    return ticks if len(ticks) >= 3 else round_ticks(low, high)


def time_ticks(low: float, high: float, *, log: bool) -> list[float]:
    """Ticks in seconds between two ends, round in the unit of each; from zero where the axis is not logarithmic."""
    if not log:
        step = next((one for one in SPANS if high <= 6 * one), SPANS[-1])
        return [place * step for place in range(floor(high / step) + 1)]
    found = [[one for one in spans if low <= one <= high] for spans in (SPANS, SPANS[::2])]
    ticks = next((some for some in found if len(some) <= 5), found[-1])
    return ticks if len(ticks) >= 2 else log_ticks(low, high)


def round_ticks(low: float, high: float) -> list[float]:
    """Three to six multiples of 1, 2 or 5 times a power of ten between two numbers."""
    power = 10.0 ** floor(log10(high - low))
    step = next(step for step in (2 * power, power, power / 2, power / 5) if floor(high / step) - ceil(low / step) >= 2)
    return [place * step for place in range(ceil(low / step), floor(high / step) + 1)]
