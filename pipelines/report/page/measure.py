"""Text measured without its font: widths that no glyph of Arial exceeds, so that nothing leaves its box.

Liberation Sans, which LibreOffice takes for Arial, has the same widths; what stands in neither counts as a full em.
"""

import re
import unicodedata
from functools import cache

from pipelines.report.page.text import clipped

LINE = 1.2  # line height, of the font's size
ROOM = 1.03  # what a line may be longer than its parts: rounding, and the fonts that stand in for Arial
SLACK = 0.01  # points that sums of widths are off by rounding
WIDEST = {  # thousandths of an em, the greater of regular and bold
    280: "ijl|' ,./I\\\u00a0\u00b7\u2019",
    340: "!:;[]ft()-`",
    390: "r{}*\u2022",
    500: '"\u201c\u201dťľ',
    560: "zJcksvxy#$0123456789_ae\u2013",
    615: "?Lbdghnopqu+<=>~^FTZ\u2212\u00d7\u00b1",
    670: "EPSVXY",
    725: "&ABKCDHNRU",
    780: "wGOQď",
    890: "mM%",
    1020: "W@\u2026",
}
_WIDTHS = {character: width for width, characters in WIDEST.items() for character in characters}


@cache
def _em(character: str) -> int:
    """Thousandths of an em; marks and invisible characters take none."""
    if character in _WIDTHS:
        return _WIDTHS[character]
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    base = unicodedata.normalize("NFD", character)[0]
    return _WIDTHS.get(base, 1020)


def width(text: str, size: float) -> float:
    """Points that a text takes on one line at a font size, at most."""
    return ROOM * size * sum(map(_em, text)) / 1000


def line_count(text: str, *, size: float, room: float) -> int:
    """Lines that a text takes in a column of `room` points: broken between words, and within what is too long."""
    room += SLACK
    count, used = 1, 0.0
    for part in re.findall(r"\n|[^\S\n]+|\S+", text):
        needed = width(part, size)
        if part == "\n" or (part.strip() and used and used + needed > room):
            count, used = count + 1, 0.0
        if part == "\n":
            continue
        if needed <= room:
            used = min(used + needed, room) if part.isspace() else used + needed
            continue
        for character in part:
            step = width(character, size)
            count, used = (count + 1, step) if used and used + step > room else (count, used + step)
    return count


def cut(text: str, *, size: float, room: float, lines: int = 1) -> str:
    """The text, cut in its middle where it would take more than so many lines."""
    if line_count(text, size=size, room=room) <= lines:
        return text
    low, high = 3, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = line_count(clipped(text, middle), size=size, room=room) <= lines
        low, high = (middle, high) if fits else (low, middle - 1)
    return clipped(text, low)
