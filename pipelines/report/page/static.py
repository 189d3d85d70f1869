"""Figures as SVG and PNG files, drawn by Vega without a browser."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from extract.errors import InvalidInputError
from pipelines.report.page.blocks import Figure
from pipelines.report.page.render import VEGA_LITE, template
from pipelines.report.page.specs import for_file
from pipelines.report.page.text import slugs
from pipelines.workspace import writable

INDEX = "index.html"
SCALE = 2.0  # PNG pixels for one of the chart's, for slides


def drawn(chart: Any, kind: str, *, scale: float = 1) -> str | bytes:
    """A chart of Altair as the content of a file of `kind`: svg, png, html or json."""
    buffer = io.BytesIO() if kind == "png" else io.StringIO()
    chart.save(buffer, format=kind, scale_factor=scale)
    return buffer.getvalue()


def write(
    figures: Sequence[Figure], folder: Path, *, progress: Callable[[int, int], None]
) -> tuple[list[Path], list[str]]:
    """Write every figure into `folder` as SVG and PNG, named by its title, and an index with their captions.

    Returns the paths of the figures, and a sentence for every one that Vega cannot draw: the others are written.
    """
    _make(folder)
    paths: list[Path] = []
    problems: list[str] = []
    drawn: list[tuple[str, Figure]] = []
    names = slugs([figure.title for figure in figures])
    for done, (name, figure) in enumerate(zip(names, figures, strict=True), start=1):
        try:
            contents = _contents(figure)
        except ValueError as error:  # what vl-convert raises for a chart that Vega refuses
            reason = " ".join(str(error).splitlines()[:2])
            problems.append(f"figure {name} is left out, for it cannot be drawn: {reason}")
        else:
            for suffix, content in contents.items():
                paths.append(folder / f"{name}{suffix}")
                writable.write("figure", paths[-1], content)
            drawn.append((name, figure))
        progress(done, len(figures))
    writable.write("index of the figures", folder / INDEX, template("figures.html.j2").render(figures=drawn))
    return paths, problems


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"figures must go to a directory that can be written; got {str(folder)!r} ({error.strerror}). "
            "Name another with --figures."
        ) from error


def _contents(figure: Figure) -> dict[str, str | bytes]:
    svg = vl_convert.vegalite_to_svg(for_file(figure), vl_version=VEGA_LITE)
    return {".svg": svg, ".png": vl_convert.svg_to_png(svg, scale=SCALE)}
