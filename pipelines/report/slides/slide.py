"""A slide: what it says (`Slide`), and where that stands on 16:9 (`Placed` parts), which both writers render."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.page.blocks import Block

WIDTH, HEIGHT = 960.0, 540.0  # points, 16:9
LEAST = 14.0  # points of the smallest text that is read from the back row


@dataclass(frozen=True)
class Slide:
    """One slide: blocks of the report in `columns` side by side, and what the speaker says.

    A sentence may stand under the title as `lead`; `foot` says of which data the slide speaks. The `opening` slide has
    its title in the middle.
    """

    title: str
    columns: Sequence[Sequence[Block]]
    notes: str
    foot: str = ""
    lead: str = ""
    opening: bool = False


@dataclass(frozen=True)
class Box:
    """A rectangle in points from the slide's upper left corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Words:
    """Paragraphs of one size; with `bullets` each has one. `role` is what they are: title, lead, body, tile or foot."""

    box: Box
    paragraphs: Sequence[str]
    size: float
    bullets: bool = False
    role: str = "body"


@dataclass(frozen=True)
class Image:
    """A PNG that fills its box, and what it shows in words."""

    box: Box
    png: bytes
    alt: str


@dataclass(frozen=True)
class Grid:
    """A table: the heading first, each cell text that fits its column; `numeric` columns end at their right.

    `widths` of columns and `heights` of rows are points.
    """

    box: Box
    widths: Sequence[float]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    size: float
    heights: Sequence[float]


@dataclass(frozen=True)
class Tiles:
    """Pictures in lines, each over what it is called; without one that is not at hand."""

    lines: Sequence[Sequence[tuple[Image, Words]]]


Placed = Words | Image | Grid | Tiles
