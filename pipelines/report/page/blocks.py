"""Blocks of a section of the page. The template knows how each kind of block is written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from pipelines.report.page.text import MISSING

Spec = dict[str, object]  # a chart of Vega-Lite, or a part of one
Datum = dict[str, Any]  # one row of a chart's data
Item = TypeVar("Item")


class Block:
    """Anything that stands below another on the page."""

    @property
    def kind(self) -> str:
        """Name of the block in the template."""
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Text(Block):
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Items(Block):
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Figure(Block):
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


@dataclass(frozen=True)
class Figures(Block):
    """Figures side by side, as many in a line as fit."""

    figures: Sequence[Figure]


@dataclass(frozen=True)
class Cell:
    """Content of a table cell, and its sort value (None goes last).

    `detail` is shown on hover, `mode` colors the cell as a mode, `link` is an anchor of the page.
    """

    text: str
    value: float | str | None = None
    detail: str = ""
    mode: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column(Generic[Item]):
    """A column: its heading, the cell of an item, and what is said of it on hover.

    A column of words is `numeric` no more; one that `stays` is in view however far the table is scrolled.
    """

    title: str
    cell: Callable[[Item], Cell]
    note: str = ""
    numeric: bool = True
    stays: bool = False


@dataclass(frozen=True)
class Table(Block, Generic[Item]):
    """A row for every item, sorted by a click on a heading; they come sorted by column `sorted_by`, falling."""

    caption: str
    columns: Sequence[Column[Item]]
    items: Sequence[Item]
    sorted_by: int = -1

    @cached_property
    def rows(self) -> list[list[Cell]]:
        """The cells."""
        return [[column.cell(item) for column in self.columns] for item in self.items]


@dataclass(frozen=True)
class Card:
    """One number that matters."""

    title: str
    value: str
    detail: str
    mode: str = ""


@dataclass(frozen=True)
class Cards(Block):
    """Numbers that matter, side by side."""

    cards: Sequence[Card]


@dataclass(frozen=True)
class Picture:
    """An image by the key of its thumbnail ("" where it is not at hand), and lines of (label, text)."""

    key: str
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Gallery(Block):
    """Pictures with their lines, under a heading."""

    title: str
    caption: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Drawing(Block):
    """An SVG drawing from elsewhere: shown as an image, in which no script runs. `outline` is that for a slide."""

    title: str
    caption: str
    svg: str
    outline: str = ""


@dataclass(frozen=True)
class Fold(Block):
    """Something that opens on demand: a summary line, and facts (label, value) or preformatted text."""

    title: str
    facts: Sequence[tuple[str, str]]
    code: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page: `name` is its anchor, `lead` the sentence under its heading; `parts` may be None."""

    name: str
    title: str
    lead: str
    parts: Sequence[Block | None]

    @cached_property
    def blocks(self) -> list[Block]:
        """Content of the section."""
        return [part for part in self.parts if part is not None]

    def figures(self) -> list[Figure]:
        """Every figure of the section, in order."""
        lines = (one.figures if isinstance(one, Figures) else [one] for one in self.blocks)
        return [one for line in lines for one in line if isinstance(one, Figure)]


def side_by_side(figures: Iterable[Figure | None]) -> Figures | None:
    """Those of the figures that there are, in a line; None without one."""
    found = [figure for figure in figures if figure is not None]
    return Figures(found) if found else None


def words(title: str, text: Callable[[Item], str], note: str = "", *, stays: bool = False) -> Column[Item]:
    """A column of texts, by which it is sorted."""
    return Column(title, lambda item: Cell(text(item), text(item)), note, numeric=False, stays=stays)


def numbers(
    title: str, value: Callable[[Item], float | None], shown: Callable[[float], str] = str, note: str = ""
) -> Column[Item]:
    """A column of numbers as they are `shown`, with a dash for None."""
    return Column(title, lambda item: number_cell(value(item), shown), note)


def number_cell(value: float | None, shown: Callable[[float], str] = str) -> Cell:
    """A cell with a number as it is `shown`, or a dash for None."""
    return Cell(MISSING if value is None else shown(value), value)
