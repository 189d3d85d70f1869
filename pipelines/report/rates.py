"""The figure of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

import altair

from extract.errors import InvalidInput

KINDS = (".svg", ".png", ".html", ".json")


def draw(
    path: Path, *, rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggested: float
) -> None:
    """Writes `path` (.svg, .png, .html, or .json for its Vega-Lite): loss over rate, with the suggested rate marked."""
    check(path)
    values = [
        {"rate": rate, "loss": loss, "smoothed": smooth}
        for rate, loss, smooth in zip(rates, losses, smoothed, strict=True)
    ]
    base = altair.Chart(altair.InlineData(values=values)).encode(
        x=altair.X("rate:Q", scale=altair.Scale(type="log"), title="learning rate")
    )
    raw = base.mark_circle(size=12, opacity=0.4).encode(y=altair.Y("loss:Q", title="training loss"))
    line = base.mark_line().encode(y="smoothed:Q")
    mark = altair.Chart(altair.InlineData(values=[{"rate": suggested}])).mark_rule(strokeDash=[4, 4]).encode(x="rate:Q")
    title = f"suggested: {suggested:.2g}"
    altair.layer(raw, line, mark, title=title).properties(width=480, height=300).save(str(path))


def check(path: Path) -> None:
    """Raises `InvalidInput` for a kind of file that cannot be drawn."""
    if path.suffix not in KINDS:
        raise InvalidInput(f"plot must be a file that ends in {', '.join(KINDS)}; got {str(path)!r}. Rename it.")
