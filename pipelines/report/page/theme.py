"""Theme of all charts: palettes that color-blind readers can tell apart, and the configuration of Vega-Lite.

Modes use three colors of Okabe and Ito (2008) and three shapes; many classes use Petroff's ten colors (2021).
`DARK` says what each light color becomes on a dark page, where the page's script exchanges them.
"""

from collections.abc import Sequence

from pipelines.report.page.blocks import Spec

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
LEAST_FONT = 12  # pixels of the smallest letters in a chart
HEIGHTS = {"wide": 340, "half": 260, "square": 440}


def config(*, background: str | None = None, legend: Spec | None = None) -> Spec:
    """The Vega-Lite configuration of every chart, in the light colors; `legend` changes that of legends."""
    axis = {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": FAINT, "gridOpacity": 0.6, "domainColor": FAINT,
        "tickColor": FAINT, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500, "titlePadding": 8,
        "labelPadding": 5, "labelFlush": False, "tickSize": 4, "labelLimit": 220, "titleLimit": 360,
        "labelOverlap": "greedy",
    }  # fmt: skip
    legends = {
        "orient": "top", "direction": "horizontal", "labelColor": INK, "titleColor": MUTED, "labelFontSize": 12,
        "titleFontSize": 12, "titleFontWeight": 500, "labelLimit": 220, "symbolSize": 90, "symbolOpacity": 1,
        "columnPadding": 14, "offset": 8, "titleLimit": 240, **(legend or {}),
    }  # fmt: skip
    return {
        "background": background, "font": FONT, "view": {"stroke": None}, "axis": axis, "legend": legends,
        "title": {"color": INK, "fontSize": 15, "fontWeight": 600, "anchor": "start", "offset": 12,
                  "subtitleColor": MUTED, "subtitleFontSize": 12},
        "mark": {"color": BLUE}, "text": {"color": INK, "fontSize": LEAST_FONT}, "rule": {"color": MUTED},
    }  # fmt: skip


def class_colors(count: int) -> list[str]:
    """Colors of `count` classes; they repeat after ten."""
    return [CLASS_COLORS[index % len(CLASS_COLORS)] for index in range(count)]


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
