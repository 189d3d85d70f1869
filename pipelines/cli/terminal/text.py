"""Text for people: lines that fit the terminal, and names that cannot disturb it."""

import contextlib
import os
import re
import shutil
import sys
import textwrap
import unicodedata

from pipelines.cli.terminal import streams

INDENT = "  "
# What a terminal obeys rather than shows: control characters, line separators, the marks that turn text around,
# and lone surrogates (bytes of a file name that are no text).
OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def plain(text: str) -> str:
    r"""`text` in which everything that a terminal would obey is written as text: \x1b, \n, \u202e, \udcff."""
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def defused(value: object) -> object:
    """A cell of a CSV file: text that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def cells(text: str) -> int:
    """Number of terminal cells that `text` takes: two for wide signs, none for combining ones."""
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
    left = width - len(mark)
    return _first(text, left - left // 2) + mark + _first(text[::-1], left // 2)[::-1]


def _first(text: str, width: int) -> str:
    taken = 0
    for at, one in enumerate(text):
        taken += cells(one)
        if taken > width:
            return text[:at]
    return text


def wrapped(line: str, width: int | None) -> list[str]:
    """`line` in lines of at most `width` cells (None: one), broken between words, the later ones indented."""
    if width is None or cells(line) <= width:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)


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
