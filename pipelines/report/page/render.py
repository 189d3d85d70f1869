"""Sections -> one HTML page that needs nothing else: scripts, styles, charts and images are inside it.

A Content-Security-Policy in the page allows its own two scripts by their digest, images in data: URIs, and nothing
from anywhere, so that a name from the data could start nothing even if it were not escaped.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from pipelines.report.page import theme
from pipelines.report.page.blocks import Section
from pipelines.report.page.specs import for_page
from pipelines.report.page.text import bound, printable, slugs

VEGA_LITE = "6.4"
SNIPPET = "window.vegaEmbed = vegaEmbed;"


@dataclass(frozen=True)
class Head:
    """What stands at the top of the page and in its foot."""

    title: str
    lead: str
    made: str


def render(head: Head, sections: Sequence[Section], *, thumbnails: Mapping[str, str]) -> str:
    """The page as HTML."""
    environment = _environment()
    script = environment.loader.get_source(environment, "page.js")[0]  # type: ignore[union-attr]
    style = environment.loader.get_source(environment, "style.css")[0]  # type: ignore[union-attr]
    figures = [figure for section in sections for figure in section.figures()]
    files = slugs([figure.title for figure in figures])
    charts = {figure.name: for_page(figure, file=file) for figure, file in zip(figures, files, strict=True)}
    return environment.get_template("page.html.j2").render(
        head=head,
        sections=sections,
        charts=charts,
        thumbnails=thumbnails,
        look={"config": theme.config(), "dark": theme.DARK},
        policy=_policy(bundle(), script),
        bundle=Markup(bundle()),
        script=Markup(script),
        style=Markup(style),
    )


def template(name: str) -> Template:
    """One of the package's templates, for what is no page of its own."""
    return _environment().get_template(name)


@functools.cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `vegaEmbed`."""
    return vl_convert.javascript_bundle(SNIPPET, VEGA_LITE).replace("</script", "<\\/script")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters.update(image_uri=image_uri, drawn_width=drawn_width, bound=bound)
    return environment


def _printable(value: Any) -> Any:
    """What a template writes: text printable line by line; what is Markup was made here and stays."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def image_uri(svg: str) -> str:
    """An SVG text as a data: URI for an image element, where its scripts and links are dead."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def drawn_width(svg: str) -> str:
    """The width that an SVG text states for itself, in pixels."""
    found = re.search(r"<svg[^>]* width='(\d+)'", svg)
    return f"{found[1]}px" if found else "auto"


def _policy(*scripts: str) -> str:
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts
    )
    rules: dict[str, Any] = {
        "default-src": "'none'",
        "img-src": "data: blob:",
        "style-src": "'unsafe-inline'",
        "script-src": digests,
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
