"""Figures as SVG and PNG files, drawn by Vega without a browser."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from extract.errors import InvalidInput
from pipelines import writable
from pipelines.report.blocks import Figure
from pipelines.report.page import VEGA_LITE
from pipelines.report.specs import for_file

SCALE = 2.0  # PNG pixels for one of the chart's, for slides


def drawn(chart: Any, kind: str, *, scale: float = 1) -> str | bytes:
    """A chart of Altair as the content of a file of `kind`: svg, png, html or json."""
    buffer = io.BytesIO() if kind == "png" else io.StringIO()
    chart.save(buffer, format=kind, scale_factor=scale)
    return buffer.getvalue()


def write(figures: Sequence[Figure], folder: Path, *, progress: Callable[[int, int], None]) -> list[Path]:
    """Writes `NAME.svg` and `NAME.png` of every figure into `folder`, and returns their paths."""
    paths = []
    for done, figure in enumerate(figures, start=1):
        spec = for_file(figure)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(
                f"figures must go to a directory that can be written; got {str(folder)!r} ({error.strerror}). "
                "Name another with --figures."
            ) from error
        svg, png = folder / f"{figure.name}.svg", folder / f"{figure.name}.png"
        writable.write("figure", svg, vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE))
        writable.write("figure", png, vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE))
        paths += [svg, png]
        progress(done, len(figures))
    return paths
