"""Figures -> Vega-Lite: as wide as its column for the page, of a fixed width for files."""

import textwrap
from typing import Any

from pipelines.report.page import theme
from pipelines.report.page.blocks import Figure
from pipelines.report.page.text import printable

PADDING = 14
CHARACTER = 7  # pixels of one in a title
WORD_JOINER = "\u2060"


def for_page(figure: Figure, *, file: str) -> dict[str, Any]:
    """The chart as it is embedded: without a configuration, which the page adds in its light or dark colors.

    Its `usermeta` says under which name `file` it is saved, and with `least_width` below how many pixels it scrolls.
    """
    spec = _base(figure)
    spec["usermeta"] = {**spec.get("usermeta", {}), "file": file}
    spec.update(
        width="container",
        autosize={"type": "fit-x", "contains": "padding"},
        padding={"left": 2, "top": 2, "bottom": 2, "right": 14},
    )
    return spec


def for_file(figure: Figure) -> dict[str, Any]:
    """The chart as it is drawn into a file: with its title, on white."""
    spec = _base(figure)
    config = {**theme.config(), "background": theme.PAPER}
    width = max(theme.WIDTHS[figure.shape], spec.get("usermeta", {}).get("least_width", 0))
    title = {name: _lines(text, width) for name, text in (("text", figure.title), ("subtitle", figure.data)) if text}
    spec.update(width=width, padding=PADDING, config=config, title=title)
    return spec


def _lines(text: str, width: int) -> list[str]:
    """The text broken between words into lines that fit a width in pixels."""
    return textwrap.wrap(printable(text), width // CHARACTER, break_on_hyphens=False)


def _base(figure: Figure) -> dict[str, Any]:
    spec = figure.chart.to_dict(validate=False)
    spec.pop("config", None)
    spec.setdefault("height", theme.HEIGHTS[figure.shape])
    spec["description"] = f"{figure.title}. {figure.caption}"
    return _printable(spec)


def _printable(value: Any) -> Any:
    """A part of a chart with its texts printable: a control character in a name would end the process that draws.

    Vega keeps axis labels by their text in a plain object, which takes no key `__proto__`: that gets an invisible
    character before it.
    """
    if isinstance(value, str):
        return WORD_JOINER + value if value == "__proto__" else printable(value)
    if isinstance(value, dict):
        return {key: _printable(one) for key, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, list) else value
