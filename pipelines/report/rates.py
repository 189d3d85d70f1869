"""The figure of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

import altair

from extract.errors import InvalidInput
from pipelines import writable
from pipelines.report import static

KINDS = (".svg", ".png", ".html", ".json")


def draw(path: Path, *, rates: Sequence[float], losses: Sequence[float], suggested: float) -> None:
    """Writes `path` (.svg, .png, .html, or .json for its Vega-Lite): loss over rate, with the suggested rate marked.

    Raises `InvalidInput` for another kind of file, and where nothing can be written.
    """
    check(path)
    values = [{"rate": rate, "loss": loss} for rate, loss in zip(rates, losses, strict=True)]
    log = altair.Scale(type="log")
    line = altair.Chart(altair.InlineData(values=values)).mark_line()
    line = line.encode(
        x=altair.X("rate:Q", scale=log, title="learning rate"), y=altair.Y("loss:Q", title="smoothed training loss")
    )
    mark = altair.Chart(altair.InlineData(values=[{"rate": suggested}])).mark_rule(strokeDash=[4, 4]).encode(x="rate:Q")
    chart = altair.layer(line, mark, title=f"suggested: {suggested:.2g}")
    writable.write("plot", path, static.drawn(chart.properties(width=480, height=300), path.suffix[1:]))


def check(path: Path) -> None:
    """Raises `InvalidInput` for a kind of file that cannot be drawn, and for a place that cannot be written."""
    if path.suffix not in KINDS:
        raise InvalidInput(f"plot must be a file that ends in {', '.join(KINDS)}; got {str(path)!r}. Rename it.")
    writable.check("plot", path)
