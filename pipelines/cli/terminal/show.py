"""Text for people: durations, sizes, tables that fit the terminal, and names that cannot disturb it."""

import contextlib
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.cli.terminal import streams
from pipelines.workspace import naming

GAP = "  "
SHORT = 28  # cells to which a name may be shortened before a column is dropped
# What a terminal obeys rather than shows: control characters, line separators, the marks that turn text around,
# and lone surrogates (bytes of a file name that are no text).
OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA = tuple("=+-@\t\r\n＝＋－＠")


@dataclass(frozen=True)
class Column:
    """A column of a table. Numbers stand to the `right`.

    Where the table is too wide, names in columns with `shrinks` are shortened in their middle, names of runs in
    columns that are `named` by whole parts (`naming.fitted`), and columns with the greatest `drop` are left out first
    (0: never).
    """

    title: str
    right: bool = False
    shrinks: bool = False
    named: bool = False
    drop: int = 0


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table that fits the terminal."""
    return fitted(columns, rows, width=terminal_width())


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int | None) -> list[str]:
    """The lines of a table of at most `width` cells (None: as wide as it needs), the last column unpadded."""
    shown = [[plain(cell) for cell in row] for row in rows]
    kept = list(range(len(columns)))
    while True:
        droppable = [at for at in kept if columns[at].drop]
        picked = [[row[at] for at in kept] for row in shown]
        widths = _widths([columns[at] for at in kept], picked, width=width, short=SHORT if droppable else 1)
        if widths is not None:
            break
        kept.remove(max(droppable, key=lambda at: columns[at].drop))
    for place, at in enumerate(kept):
        if columns[at].named:
            for row, name in zip(picked, naming.fitted([row[place] for row in picked], widths[place]), strict=True):
                row[place] = name
    sides = [columns[at].right for at in kept]
    return [_line(texts, widths, sides) for texts in ([columns[at].title for at in kept], *picked)]


def _line(texts: Sequence[str], widths: Sequence[int], sides: Sequence[bool]) -> str:
    padded = [_padded(text, width, right=right) for text, width, right in zip(texts, widths, sides, strict=True)]
    return GAP.join(padded).rstrip()


def _padded(text: str, width: int, *, right: bool) -> str:
    text = shortened(text, width)
    space = " " * (width - cells(text))
    return space + text if right else text + space


def _widths(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int | None, short: int
) -> list[int] | None:
    """The width of every column, the widest names shortened first, but not below `short`; None where that is too wide.

    With `short` 1 there is always an answer: the last resort is a table that is too wide.
    """
    widths = [max(cells(text) for text in (one.title, *(row[at] for row in rows))) for at, one in enumerate(columns)]
    least = {at: max(short, cells(one.title)) for at, one in enumerate(columns) if one.shrinks or one.named}
    for at in [at for at in least if columns[at].named and short > 1]:
        least[at] = naming.least([row[at] for row in rows], least[at])
    over = 0 if width is None else sum(widths) + len(GAP) * (len(widths) - 1) - width
    while over > 0:
        able = [at for at in least if widths[at] > least[at]]
        if not able:
            return widths if short == 1 else None
        widths[max(able, key=lambda at: widths[at])] -= 1
        over -= 1
    return widths


def terminal_width() -> int | None:
    """Cells of a line on the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size().columns if streams.stdout().isatty() else None


def message_width() -> int | None:
    """Cells of a line on the terminal that stderr is; None where it is none."""
    if not sys.stderr.isatty():
        return None
    with contextlib.suppress(OSError, ValueError):  # it calls itself a terminal and has no size
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80


def wrapped(line: str, width: int | None) -> list[str]:
    """`line` in lines of at most `width` cells (None: one), broken between words, the later ones indented."""
    if width is None or cells(line) <= width:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent=GAP, break_long_words=False, break_on_hyphens=False)


def plain(text: str) -> str:
    r"""`text` in which everything that a terminal would obey is written as text: \x1b, \n, \u202e, \udcff."""
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def defused(value: object) -> object:
    """A cell of a CSV file: text that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def cells(text: str) -> int:
    """How many cells of a terminal `text` takes: two for wide signs, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` cells, its middle replaced by "..." where it is longer."""
    if cells(text) <= width:
        return text
    mark = "..."[: max(width, 0)]
    room = width - len(mark)
    head, tail = room - room // 2, room // 2
    return _first(text, head) + mark + _first(text[::-1], tail)[::-1]


def _first(text: str, width: int) -> str:
    taken = 0
    for at, one in enumerate(text):
        taken += cells(one)
        if taken > width:
            return text[:at]
    return text


def duration(seconds: float) -> str:
    """Seconds for people: 3.2 s, 5 min 12 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(share: float, digits: int = 2) -> str:
    """A fraction as per cent."""
    return f"{100 * share:.{digits}f} %"


def clock(seconds: float) -> str:
    """Seconds on the shortest line: 0:12, 12:34, 1:02:03."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def size(count: float) -> str:
    """Bytes for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def training_line(answer: Mapping[str, Any]) -> str:
    """Training accuracy of a run in evaluation mode, and how far it is ahead of validation accuracy."""
    from pipelines.report.study.diagnosis import points

    training, validation = answer["training_accuracy"], answer["validation_accuracy"]
    gap = "" if validation is None else f"; gap {points(training - validation)} points"
    if answer.get("head") == "knn":
        gap = "; each image is its own nearest neighbor"
    return f"training accuracy   {percent(training)}  (evaluation mode{gap})"


def calibration(answer: Mapping[str, Any]) -> list[str]:
    """Log loss and calibration error of the test images as the logits are, and at the temperature where it is not 1.

    An error that perfect calibration may show on as many images is said to be indistinguishable from it.
    """
    temperature = answer["temperature"]
    parts = {"log loss": ""} | ({} if temperature in (None, 1.0) else {f"log loss (T = {temperature:.3g})": "scaled_"})
    lines = []
    for label, prefix in parts.items():
        loss, error, limit = (answer[prefix + name] for name in ("log_loss", "calibration_error", "calibration_limit"))
        told = (
            f"indistinguishable from none, below {percent(limit)}"
            if error <= limit
            else f"of perfect calibration up to {percent(limit)}"
        )
        lines.append(f"{label:<19} {loss:.4f}   calibration error {percent(error)} ({told})")
    return lines
