"""How every chart looks: palettes that color-blind readers can tell apart, type, and the few building blocks.

Modes use three colors of Okabe and Ito (2008) and three shapes; many classes use Petroff's ten colors (2021).
`DARK` says what each light color becomes on a dark page, where the page's script exchanges them.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from statistics import fmean, quantiles
from typing import Any

import altair as alt

from pipelines.report.page.text import MODE_NAMES

INK, MUTED, FAINT, PAPER = "#1d1d1f", "#5f6368", "#d9dadd", "#ffffff"
BLUE, VERMILLION, GREEN, GOLD = "#0072b2", "#d55e00", "#00875a", "#b58900"
WASH_BLUE, WASH_RED, DEEP_BLUE, DEEP_RED = "#eef4f9", "#fbf1ea", "#005082", "#a84300"
DARK = {
    INK: "#ececee",
    MUTED: "#a5a9b0",
    FAINT: "#3a3d44",
    PAPER: "#191b20",
    BLUE: "#56b4e9",
    VERMILLION: "#f0883e",
    GREEN: "#2fc08d",
    GOLD: "#e6c14a",
    WASH_BLUE: "#20262d",
    WASH_RED: "#2c2521",
    DEEP_BLUE: "#4aa3d9",
    DEEP_RED: "#d9702c",
}
MODE_COLORS = {"frozen": BLUE, "fine-tuned": VERMILLION, "from scratch": GREEN}
MODE_SHAPES = {"frozen": "circle", "fine-tuned": "square", "from scratch": "triangle-up"}
CLASS_COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', 'Noto Sans', sans-serif"
WIDTHS = {"wide": 760, "half": 420, "square": 460}
HEIGHTS = {"wide": 340, "half": 260, "square": 440}


def config() -> dict[str, Any]:
    """The Vega-Lite configuration of every chart, in the light colors."""
    axis = {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": FAINT, "gridOpacity": 0.6, "domainColor": FAINT,
        "tickColor": FAINT, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500, "titlePadding": 8,
        "labelPadding": 5, "labelFlush": False, "tickSize": 4, "labelLimit": 220, "titleLimit": 360,
        "labelOverlap": "greedy",
    }  # fmt: skip
    legend = {
        "orient": "top", "direction": "horizontal", "labelColor": INK, "titleColor": MUTED, "labelFontSize": 12,
        "titleFontSize": 12, "titleFontWeight": 500, "labelLimit": 220, "symbolSize": 90, "symbolOpacity": 1,
        "columnPadding": 14, "offset": 8, "titleLimit": 240,
    }  # fmt: skip
    return {
        "background": None, "font": FONT, "view": {"stroke": None}, "axis": axis, "legend": legend,
        "title": {"color": INK, "fontSize": 15, "fontWeight": 600, "anchor": "start", "offset": 12,
                  "subtitleColor": MUTED, "subtitleFontSize": 12},
        "mark": {"color": BLUE}, "text": {"color": INK, "fontSize": 11}, "rule": {"color": MUTED},
    }  # fmt: skip


def ink_on(ramp: Sequence[str], share: float) -> str:
    """INK or PAPER, whichever stands out more from the color at `share` between both ends of `ramp` (WCAG 2)."""
    back = blend_luminance(ramp, share)
    return INK if back**2 > blend_luminance([INK, INK], 0) * blend_luminance([PAPER, PAPER], 0) else PAPER


def blend_luminance(ramp: Sequence[str], share: float) -> float:
    """Relative luminance (WCAG 2), its 0.05 of stray light included, of the color at `share` between two."""
    found = 0.05
    for at, weight in ((1, 0.2126), (3, 0.7152), (5, 0.0722)):
        start, end = (int(color[at : at + 2], 16) / 255 for color in ramp)
        part = start + share * (end - start)
        found += weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
    return found


def lines(field: str) -> alt.Y:
    """A line for each name in `field`, in the order of the data; the page narrows the names on a narrow screen."""
    return alt.Y(field=field, type="nominal", title=None, sort=None, axis=alt.Axis(labelLimit=330, grid=False))


def rule(field: str, value: float | None) -> list[alt.Chart]:
    """A dashed line at the value of a horizontal axis that was chosen; nothing where there is none."""
    if value is None:
        return []
    mark = alt.Chart(data([{field: value}])).mark_rule(strokeDash=[4, 3], color=GREEN, strokeWidth=1.5)
    return [mark.encode(x=alt.X(field=field, type="quantitative"))]


def list_height(count: int) -> int:
    """Pixels for `count` lines with a name each."""
    return 22 * max(count, 2)


def data(records: Sequence[Mapping[str, Any]]) -> alt.Data:
    """Plain values as a chart's data: no data frame, no type guessed."""
    return alt.Data(values=[dict(record) for record in records])


def x(name: str, title: str | None, **options: Any) -> alt.X:
    """A horizontal numeric axis that fits the data; `options` are those of `axis_of`."""
    return alt.X(field=name, **axis_of(title, **options))


def y(name: str, title: str | None, **options: Any) -> alt.Y:
    """A vertical numeric axis that fits the data; `options` are those of `axis_of`."""
    return alt.Y(field=name, **axis_of(title, **options))


def axis_of(
    title: str | None,
    *,
    log: Sequence[float] = (),
    domain: Sequence[float] | None = None,
    zero: bool = False,
    axis_format: str | None = None,
    grid: bool = True,
    ticks: int = 6,
) -> dict[str, Any]:
    """Type, title, scale and axis of a numeric channel. `log` holds the values that a logarithmic axis must show."""
    scale: dict[str, Any] = {"nice": domain is None and not log}
    axis: dict[str, Any] = {"grid": grid, "tickCount": ticks}
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
    return {"type": "quantitative", "title": title, "scale": alt.Scale(**scale), "axis": alt.Axis(**axis)}


def log_domain(values: Sequence[float]) -> list[float]:
    """Both ends of a logarithmic axis that shows positive values, with room beside them."""
    room = (max(values) / min(values)) ** 0.06 * 1.08
    return [min(values) / room, max(values) * room]


def bulk_domain(values: Sequence[float], bars: Sequence[tuple[float, float]]) -> list[float]:
    """Both ends of an axis that shows values with their bars, less outliers, with room beside them.

    Outliers lie more than three times the interquartile range, or the mean bar where that is longer, beyond the
    quartiles (the outer fences of Tukey, 1977).
    """
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


def round_ticks(low: float, high: float) -> list[float]:
    """Three to six multiples of 1, 2 or 5 times a power of ten between two numbers."""
    power = 10.0 ** floor(log10(high - low))
    step = next(step for step in (2 * power, power, power / 2, power / 5) if floor(high / step) - ceil(low / step) >= 2)
    return [place * step for place in range(ceil(low / step), floor(high / step) + 1)]


def mode_color(modes: Sequence[str], *, legend: bool = True) -> alt.Color:
    """Color by the field `mode`, with a legend of the modes that occur."""
    present = present_modes(modes)
    shown = alt.Legend(title=None) if legend and len(present) > 1 else None
    scale = alt.Scale(domain=present, range=[MODE_COLORS[mode] for mode in present])
    return alt.Color(field="mode", type="nominal", scale=scale, legend=shown)


def mode_shape(modes: Sequence[str]) -> alt.Shape:
    """Shape by the field `mode`; its legend joins that of the color."""
    present = present_modes(modes)
    shown = alt.Legend(title=None) if len(present) > 1 else None
    scale = alt.Scale(domain=present, range=[MODE_SHAPES[mode] for mode in present])
    return alt.Shape(field="mode", type="nominal", scale=scale, legend=shown)


def present_modes(modes: Sequence[str]) -> list[str]:
    """The names of the modes that occur, in their fixed order."""
    return [name for name in MODE_NAMES.values() if name in modes]


def tip(*fields: tuple[str, str]) -> list[alt.Tooltip]:
    """A tooltip of (field, title) pairs; the fields hold text that is ready to be shown."""
    return [alt.Tooltip(field=name, type="nominal", title=title) for name, title in fields]
