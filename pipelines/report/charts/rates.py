"""The figure of a learning-rate range test."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import altair as alt

from extract.errors import InvalidInputError
from pipelines.report.page import static, theme
from pipelines.workspace import writable

KINDS = (".svg", ".png", ".html", ".json")


def draw(path: Path, *, rates: Sequence[float], losses: Sequence[float], suggested: float) -> None:
    """Writes `path` (.svg, .png, .html, or .json for its Vega-Lite): loss over rate, with the suggested rate marked.

    The axis of losses fits the fall: what diverges far above the first loss is cut off, and the picture says so.
    Raises `InvalidInputError` for another kind of file, and where nothing can be written.
    """
    check(path)
    style = {**theme.config(), "background": theme.PAPER}
    chart = _chart(rates, losses, suggested).configure(**style).properties(padding=14)
    writable.write("plot", path, static.drawn(chart, path.suffix[1:], scale=2 if path.suffix == ".png" else 1))


def check(path: Path) -> None:
    """Raises `InvalidInputError` for a kind of file that cannot be drawn, and for a place that cannot be written."""
    if path.suffix not in KINDS:
        raise InvalidInputError(f"plot must be a file that ends in {', '.join(KINDS)}; got {str(path)!r}. Rename it.")
    writable.check("plot", path)


def _chart(rates: Sequence[float], losses: Sequence[float], suggested: float) -> alt.LayerChart | alt.FacetChart:
    finite = [loss for loss in losses if isfinite(loss)]
    low, first = min(finite), finite[0]
    fall = (first - low) or abs(first) or 1.0
    domain = [low - 0.1 * fall, first + 0.4 * fall]
    values = [{"rate": rate, "loss": loss} for rate, loss in zip(rates, losses, strict=True) if isfinite(loss)]
    across = theme.x("rate", "learning rate", log=rates, axis_format="~g")
    line = alt.Chart(theme.data(values)).mark_line(clip=True, strokeWidth=2)
    named = alt.Chart(theme.data([{"rate": suggested, "name": f"suggested: {suggested:.2g}"}]))
    text = named.mark_text(dx=-6, dy=4, align="right", baseline="top", color=theme.GREEN, fontWeight=600)
    cut = max(finite) > domain[1]
    title = alt.TitleParams("Learning-rate range test", subtitle=["losses above the axis are cut off"] if cut else [])
    layers = [
        line.encode(x=across, y=theme.y("loss", "smoothed training loss", domain=domain)),
        *theme.rule("rate", suggested),
        text.encode(x=across, y=alt.value(0), text=alt.Text(field="name", type="nominal")),
    ]
    return alt.layer(*layers, title=title, width=theme.WIDTHS["wide"], height=theme.HEIGHTS["wide"])
