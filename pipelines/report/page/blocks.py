"""What a section of the page is made of. The template knows how each kind of block is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Spec = dict[str, object]  # a chart of Vega-Lite, or a part of one
Datum = dict[str, Any]  # one row of a chart's data


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Figure:
    """A chart with its caption. `name` is its file name; `shape` how wide it stands: wide, half or square.

    `data` says on what its numbers were measured: a line under the title. The width of the `chart` is still open: the
    page fills its column, a file takes the shape's width, and neither is below `least_width` pixels.
    """

    name: str
    title: str
    caption: str
    chart: Spec
    shape: str = "wide"
    data: str = ""
    least_width: int = 0
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True)
class Figures:
    """Figures side by side, as many in a line as fit."""

    figures: Sequence[Figure]
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True)
class Column:
    """A column: its heading, what is said of it on hover, whether it holds numbers, whether it stays in view."""

    title: str
    note: str = ""
    numeric: bool = True
    stays: bool = False


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and what it is sorted by (None goes last).

    `detail` is shown on hover, `mode` colors the cell as a mode, `link` is an anchor of the page.
    """

    text: str
    value: float | str | None = None
    detail: str = ""
    mode: str = ""
    link: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under columns, sorted by a click on a heading; they come sorted by column `sorted_by`, falling."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    sorted_by: int = -1
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Card:
    """One number that matters."""

    title: str
    value: str
    detail: str
    mode: str = ""


@dataclass(frozen=True)
class Cards:
    """Numbers that matter, side by side."""

    cards: Sequence[Card]
    kind: str = field(default="cards", init=False)


@dataclass(frozen=True)
class Picture:
    """An image by the key of its thumbnail ("" where it is not at hand), and lines of (label, text)."""

    key: str
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Gallery:
    """Pictures with their lines, under a heading."""

    title: str
    caption: str
    pictures: Sequence[Picture]
    kind: str = field(default="gallery", init=False)


@dataclass(frozen=True)
class Drawing:
    """An SVG drawing from elsewhere: shown as an image, in which no script runs."""

    title: str
    caption: str
    svg: str
    kind: str = field(default="drawing", init=False)


@dataclass(frozen=True)
class Fold:
    """Something that opens on demand: a summary line, and facts (label, value) or preformatted text."""

    title: str
    facts: Sequence[tuple[str, str]]
    code: str = ""
    anchor: str = ""
    kind: str = field(default="fold", init=False)


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    items: Sequence[str]
    kind: str = field(default="items", init=False)


Block = Text | Figure | Figures | Table | Cards | Gallery | Drawing | Fold | Items


@dataclass(frozen=True)
class Section:
    """A part of the page: `name` is its anchor, `lead` the sentence under its heading."""

    name: str
    title: str
    lead: str
    blocks: Sequence[Block]

    def figures(self) -> list[Figure]:
        """Every figure of the section, in order."""
        found: list[Figure] = []
        for block in self.blocks:
            found += [block] if isinstance(block, Figure) else block.figures if isinstance(block, Figures) else []
        return found
