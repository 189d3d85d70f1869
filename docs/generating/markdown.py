"""Markdown tables, and how their cells are written."""

import re
from collections.abc import Iterable, Mapping, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table; cells are shown literally."""
    lines = [header, ["---"] * len(header), *([literal(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def literal(value: object) -> str:
    """Write a value so that Markdown shows it as it is; code in backticks stays code."""
    text = "" if value is None else re.sub(r"[ \t\n]+", " ", str(value)).strip(" ")  # spaces that bind stay
    if text.startswith("`"):
        return text.replace("|", "\\|")
    for mark in "\\|<*_[":
        text = text.replace(mark, f"\\{mark}")
    return text


def percent(value: float | None, digits: int = 2) -> str:
    """Write a fraction in per cent."""
    return "" if value is None else f"{value:.{digits}%}".replace("%", "\u00a0%")


def interval(run: Mapping[str, float]) -> str:
    """Write the interval of a run's test accuracy in per cent."""
    return f"{100 * run['interval_low']:.2f} to {percent(run['interval_high'])}".replace(" ", "\u00a0")


def number(value: float | None, digits: int = 0) -> str:
    """Write a number with commas between thousands."""
    return "" if value is None else f"{value:,.{digits}f}"


def written(value: object) -> str:
    """Write the value of an option; of more than six values their number."""
    if isinstance(value, list | tuple):
        return f"{len(value)} values" if len(value) > 6 else ", ".join(written(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
