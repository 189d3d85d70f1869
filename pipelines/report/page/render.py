"""Sections -> one HTML page that needs nothing else, and figures -> files, drawn by Vega without a browser.

A Content-Security-Policy in the page allows its own two scripts by their digest, images in data: URIs, and nothing
from anywhere, so that a name from the data could start nothing even if it were not escaped.
"""

import base64
import functools
import hashlib
import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from extract.errors import TransferBenchError
from pipelines.report.page import theme
from pipelines.report.page.blocks import Figure, Section, Spec
from pipelines.report.page.text import bound, printable, slugs
from pipelines.workspace import writable

VEGA_LITE = "6.4"
TEMPLATES = Path(__file__).parents[1] / "templates"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
PADDING = 14
CHARACTER = 7  # pixels of one in a title
SCALE = 2.0  # PNG pixels for one of the chart's
SLIDE_TEXT = 14.0  # points of a chart's smallest letters on a slide
LARGEST = 1.5  # times by which the letters of a low chart may be larger
WIDE = 600.0  # pixels of a chart beside which a legend has room
PAIRS: Spec = {"columns": 2, "labelLimit": 210}  # lines of a legend over a narrower one
WORD_JOINER = "\u2060"


def page(sections: Sequence[Section], *, title: str, lead: str, made: str, thumbnails: Mapping[str, str]) -> str:
    """The page as HTML: `lead` stands under its title, `made` in its foot."""
    environment = _environment()
    script, style = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.js", "style.css"))
    figures = [figure for section in sections for figure in section.figures()]
    files = slugs([figure.title for figure in figures])
    charts = {figure.name: _embedded(figure, file=file) for figure, file in zip(figures, files, strict=True)}
    library = bundle() if charts else ""  # a megabyte
    return environment.get_template("page.html.j2").render(
        title=title,
        lead=lead,
        made=made,
        sections=sections,
        charts=charts,
        thumbnails=thumbnails,
        look={"config": theme.config(), "dark": theme.DARK},
        policy=_policy(library, script),
        bundle=Markup(library),
        script=Markup(script),
        style=Markup(style),
    )


@functools.cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `vegaEmbed`."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE).replace("</script", "<\\/script")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _text(value) if type(value) is str else value,  # what is Markup was made here
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters.update(image_uri=_image_uri, drawn_width=_drawn_width, bound=bound)
    return environment


def _text(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _image_uri(svg: str) -> str:
    """An SVG text as a data: URI for an image element, where its scripts and links are dead."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _drawn_width(svg: str) -> str:
    """The width that an SVG text states for itself, in pixels."""
    return f"{drawn_size(svg)[0]:.0f}px"


def drawn_size(svg: str) -> tuple[float, float]:
    """Width and height that an SVG text states for itself, in pixels."""
    across, high = (re.search(rf"<svg[^>]* {name}=['\"]([\d.]+)", svg) for name in ("width", "height"))
    return (float(across[1]), float(high[1])) if across and high else (640.0, 480.0)


def png(svg: str, *, scale: float) -> bytes:
    """An SVG text as PNG, with `scale` pixels for one of its own."""
    return vl_convert.svg_to_png(svg, scale=scale)


def fitted(figure: Figure, *, width: float, height: float) -> str:
    """The chart as SVG without its title, for a box of points in which its smallest letters have `SLIDE_TEXT`.

    A chart with a height of its own keeps it, for names are placed by it, and is enlarged where it is low. Where its
    legends make it too high for the box, they go to its right if the box is wide, and are left out elsewhere.
    """
    across, high = (theme.LEAST_FONT / SLIDE_TEXT * length for length in (width, height))
    if "height" not in figure.chart:
        return _in_box(figure, across, high)
    aside: Spec = {"orient": "right", "direction": "vertical"} if across > WIDE else {"disable": True}
    needed = drawn_size(_in_box(figure, across))[1]
    if needed <= high:
        return _in_box(figure, across / min(high / needed, LARGEST))
    svg = _in_box(figure, across, legend=aside)
    return svg if drawn_size(svg)[1] <= high else _in_box(figure, across, high, legend=aside)


def _in_box(figure: Figure, across: float, high: float | None = None, *, legend: Spec | None = None) -> str:
    """The chart as SVG, as wide as that; as high as that, or as it is made to be for None."""
    looks = {**({} if across > WIDE else PAIRS), **(legend or {})}
    spec = {
        **_described(figure), "width": across, "padding": 2,
        "autosize": {"type": "fit-x" if high is None else "fit", "contains": "padding"},
        "config": theme.config(background=theme.PAPER, legend=looks),
    }  # fmt: skip
    spec |= {} if high is None else {"height": high}
    if legend:  # its lines below one another
        spec = json.loads(json.dumps(spec), object_hook=lambda part: {k: part[k] for k in part if k != "columns"})
    try:
        return vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    except ValueError as error:  # what vl-convert raises for a chart that Vega refuses
        raise TransferBenchError(f"it cannot be drawn: {_reason(error)}") from error


def _reason(error: ValueError) -> str:
    return " ".join(str(error).splitlines()[:2])


def _policy(*scripts: str) -> str:
    digests = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


def write_figures(
    figures: Sequence[Figure], folder: Path, *, progress: Callable[[int, int], None]
) -> tuple[list[Path], list[str]]:
    """Write every figure into `folder` as SVG and PNG, named by its title, and an index with their captions.

    Returns the paths of the figures, and a sentence for every one that Vega cannot draw: the others are written.
    """
    writable.folder("figures", folder, named=folder, remedy="Name another with --figures.")
    paths: list[Path] = []
    problems: list[str] = []
    drawn: list[tuple[str, Figure]] = []
    names = slugs([figure.title for figure in figures])
    for done, (name, figure) in enumerate(zip(names, figures, strict=True), start=1):
        try:
            svg = vl_convert.vegalite_to_svg(_standing(figure), vl_version=VEGA_LITE)
            contents = {".svg": svg, ".png": vl_convert.svg_to_png(svg, scale=SCALE)}
        except ValueError as error:  # what vl-convert raises for a chart that Vega refuses
            problems.append(f"figure {name} is left out, for it cannot be drawn: {_reason(error)}")
        else:
            for suffix, content in contents.items():
                paths.append(folder / f"{name}{suffix}")
                writable.write("figure", paths[-1], content)
            drawn.append((name, figure))
        progress(done, len(figures))
    index = _environment().get_template("figures.html.j2").render(figures=drawn)
    writable.write("index of the figures", folder / "index.html", index)
    return paths, problems


def write_chart(path: Path, chart: Spec) -> None:
    """Write a chart with all its sizes to `path`: .svg, .png, .html, or .json for its Vega-Lite, on white."""
    spec = _shared({**chart, "config": theme.config(background=theme.PAPER), "padding": PADDING})
    drawings: dict[str, Callable[[], str | bytes]] = {
        ".svg": lambda: vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE),
        ".png": lambda: vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE),
        ".html": lambda: vl_convert.vegalite_to_html(spec, vl_version=VEGA_LITE),
        ".json": lambda: json.dumps(spec, indent=2, allow_nan=False),
    }
    writable.write("plot", path, drawings[path.suffix.lower()]())


def _embedded(figure: Figure, *, file: str) -> Spec:
    """The chart without a configuration, which the page adds in its light or dark colors.

    Its `usermeta` says under which name `file` it is saved, and with `least_width` below how many pixels it scrolls.
    """
    return {
        **_described(figure),
        "usermeta": {"file": file, "least_width": figure.least_width},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": {"left": 2, "top": 2, "bottom": 2, "right": 14},
    }


def _standing(figure: Figure) -> Spec:
    """The chart as it is drawn into a file: with its title, on white."""
    width = max(theme.WIDTHS[figure.shape], figure.least_width)
    title = {name: _lines(text, width) for name, text in (("text", figure.title), ("subtitle", figure.data)) if text}
    config = theme.config(background=theme.PAPER)
    return {**_described(figure), "width": width, "padding": PADDING, "config": config, "title": title}


def _lines(text: str, width: int) -> list[str]:
    """The text broken between words into lines that fit a width in pixels."""
    return textwrap.wrap(printable(text), width // CHARACTER, break_on_hyphens=False)


def _described(figure: Figure) -> Spec:
    height = theme.HEIGHTS[figure.shape]
    return _shared({"height": height, **figure.chart, "description": f"{figure.title}. {figure.caption}"})


def _shared(chart: Spec) -> Spec:
    """The chart with every table of values once, under a name, and with its texts printable.

    A control character in a name would end the process that draws. Vega keeps axis labels by their text in a plain
    object, which takes no key `__proto__`: that gets an invisible character before it.
    """
    tables: dict[str, str] = {}  # table as JSON -> its name

    def part(value: Spec) -> Spec:
        found = {key: clean(one) for key, one in value.items()}
        if isinstance(data := found.get("data"), dict):
            found["data"] = {"name": tables.setdefault(json.dumps(data["values"]), f"data-{len(tables)}")}
        return found

    def clean(value: object) -> object:
        if isinstance(value, str):
            return WORD_JOINER + value if value == "__proto__" else printable(value)
        if isinstance(value, list):
            return [clean(one) for one in value]
        return part(value) if isinstance(value, dict) else value

    found = part(chart)
    return {"$schema": SCHEMA, **found, "datasets": {name: json.loads(text) for text, name in tables.items()}}
