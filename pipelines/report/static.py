"""Figures as SVG and PNG files, drawn by Vega without a browser."""

from collections.abc import Callable, Sequence
from pathlib import Path

import vl_convert

from extract.errors import InvalidInput
from pipelines.report.blocks import Figure
from pipelines.report.page import VEGA_LITE
from pipelines.report.specs import for_file

SCALE = 2.0  # PNG pixels for one of the chart's, for slides


def write(figures: Sequence[Figure], folder: Path, *, progress: Callable[[int, int], None]) -> list[Path]:
    """Writes `NAME.svg` and `NAME.png` of every figure into `folder`, and returns their paths."""
    paths = []
    for done, figure in enumerate(figures, start=1):
        spec = for_file(figure)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            svg, png = folder / f"{figure.name}.svg", folder / f"{figure.name}.png"
            svg.write_text(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE), encoding="utf-8")
            png.write_bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE))
        except OSError as error:
            raise InvalidInput(
                f"figures must go to a directory that can be written; got {str(folder)!r} ({error.strerror}). "
                "Name another with --figures."
            ) from error
        paths += [svg, png]
        progress(done, len(figures))
    return paths
