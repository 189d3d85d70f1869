"""The lines of an answer: tables that fit the terminal, and facts with their labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipelines.cli.terminal.text import cells, plain, shortened, terminal_width
from pipelines.workspace import naming

GAP = "  "
LABEL_CELLS = 19
SHORT = 28  # cells to which a name may be shortened before a column is dropped

Row = TypeVar("Row")


@dataclass(frozen=True)
class TableColumn(Generic[Row]):
    """A column of a table: its title, and the text of its `cell` in a row. Numbers stand to the `right`.

    Where the table is too wide, names in columns with `shrinks` are shortened in their middle, names of runs in
    columns that are `named` by whole parts (`naming.fitted`), and columns with the greatest `drop` are left out first
    (0: never).
    """

    title: str
    cell: Callable[[Row], str]
    right: bool = False
    shrinks: bool = False
    named: bool = False
    drop: int = 0


def facts(values: Mapping[str, str | None]) -> list[str]:
    """A line for each label and its text, which stand below each other; None is left out."""
    return [f"{label:<{LABEL_CELLS}} {text}" for label, text in values.items() if text is not None]


def table(columns: Sequence[TableColumn[Row]], rows: Sequence[Row]) -> list[str]:
    """The lines of a table that fits the terminal."""
    return fitted(columns, rows, width=terminal_width())


def fitted(columns: Sequence[TableColumn[Row]], rows: Sequence[Row], *, width: int | None) -> list[str]:
    """The lines of a table of at most `width` cells (None: as wide as it needs), the last column unpadded."""
    texts = {column: [plain(column.cell(row)) for row in rows] for column in columns}
    while True:
        droppable = [column for column in texts if column.drop]
        widths = _widths(texts, width=width, short=SHORT if droppable else 1)
        if widths is not None:
            break
        del texts[max(droppable, key=lambda column: column.drop)]
    for column in texts:
        if column.named:
            texts[column] = naming.fitted(texts[column], widths[column])
    lines = ([column.title for column in texts], *zip(*texts.values(), strict=True))
    return [GAP.join(map(_padded, line, texts, widths.values())).rstrip() for line in lines]


def _padded(text: str, column: TableColumn[Row], width: int) -> str:
    text = shortened(text, width)
    space = " " * (width - cells(text))
    return space + text if column.right else text + space


def _widths(
    texts: Mapping[TableColumn[Row], Sequence[str]], *, width: int | None, short: int
) -> dict[TableColumn[Row], int] | None:
    """The width of every column, the widest names shortened first, but not below `short`; None where that is too wide.

    With `short` 1 there is always an answer: the last resort is a table that is too wide.
    """
    widths = {column: max(map(cells, (column.title, *shown))) for column, shown in texts.items()}
    least = {column: max(short, cells(column.title)) for column in texts if column.shrinks or column.named}
    for column in least:
        if column.named and short > 1:
            least[column] = naming.least(list(texts[column]), least[column])
    over = 0 if width is None else sum(widths.values()) + len(GAP) * (len(widths) - 1) - width
    for _ in range(over):
        able = [column for column in least if widths[column] > least[column]]
        if not able:
            return widths if short == 1 else None
        widths[max(able, key=lambda column: widths[column])] -= 1
    return widths
