"""Figures -> Vega-Lite: as wide as its column for the page, of a fixed width for files."""

from typing import Any

from pipelines.report import theme
from pipelines.report.blocks import Figure

PADDING = 14


def for_page(figure: Figure) -> dict[str, Any]:
    """The chart as it is embedded: without a configuration, which the page adds in its light or dark colours."""
    spec = _base(figure)
    spec.update(width="container", autosize={"type": "fit-x", "contains": "padding"}, padding=2)
    return spec


def for_file(figure: Figure) -> dict[str, Any]:
    """The chart as it is drawn into a file: with its title, on white."""
    spec = _base(figure)
    config = {**theme.config(), "background": theme.PAPER}
    spec.update(width=theme.WIDTHS[figure.shape], padding=PADDING, config=config, title=figure.title)
    return spec


def _base(figure: Figure) -> dict[str, Any]:
    spec = figure.chart.to_dict(validate=False)
    spec.pop("config", None)
    spec.setdefault("height", theme.HEIGHTS[figure.shape])
    spec["description"] = f"{figure.title}. {figure.caption}"
    return spec
