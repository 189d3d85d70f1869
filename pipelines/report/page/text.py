"""Texts of the page: numbers with their signs, names that fit, and what may be shown at all."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from extract.runtime.formats import listed

MISSING = "–"
MINUS = "\u2212"
SLUG_BYTES = 120
# What SVG and HTML cannot hold: controls, lone surrogates (bytes of a file name), code points that are no characters.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def printable(text: str) -> str:
    r"""The text with every control character and whatever else no page can hold as an escape (\x1b), as text."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def bound(text: str) -> str:
    """The text with every number kept on one line with its unit, and with the "<" before it."""
    return re.sub(r"(?<=\d) (?=%|(?:px|ms|s|min|h)\b)|(?<=<) (?=\d)", "\u00a0", text)


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, a true minus; in up to two digits more where fewer would write it as zero."""
    shown = next((more for more in range(digits, digits + 3) if round(value, more)), digits)
    return f"{round(value, shown) + 0.0:+.{shown}f}".replace("-", MINUS)


def interval(ends: tuple[float, float], digits: int = 1) -> str:
    """Both ends of an interval of fractions, as per cent without the sign."""
    return f"{100 * ends[0]:.{digits}f} to {100 * ends[1]:.{digits}f}"


def points(share: float, digits: int = 1) -> str:
    """A fraction as per cent without the sign."""
    return f"{100 * share:.{digits}f}"


def change(difference: float, ends: tuple[float, float], digits: int = 1) -> str:
    """A difference of fractions with the ends of its interval, in points."""
    middle, low, high = (signed(100 * one, digits) for one in (difference, *ends))
    return f"{middle} ({low} to {high})"


def column_unit(values: Iterable[float | None], units: Sequence[tuple[str, float]]) -> tuple[str, float, int]:
    """(unit, its size, digits) in which every value of a column is written, so that its numbers line up.

    `units` are (letter, size), smallest first. The unit is the largest that the greatest value reaches and a tenth of
    which is no more than the smallest; as many digits as show two places of the smallest value, at most 2.
    """
    known = [value for value in values if value]
    greatest, least = max(known, default=0.0), min(known, default=0.0)
    fits = [one for one in units if greatest >= one[1] and least >= one[1] / 10]
    unit, size = fits[-1] if fits else units[0]
    digits = next((digits for digits in range(2) if least / size * 10**digits >= 10), 2)
    return unit, size, 0 if size == 1 and all(value == int(value) for value in known) else digits


def seeded(drawn: Sequence[str], *, validated: bool) -> str:
    """What seeds vary, in words: draws of a fit, and the validation images, which alone say nothing of a method."""
    if drawn:
        return f"seeds vary {listed([*drawn, *(['validation images'] if validated else [])])}"
    moved = "the validation images only" if validated else "nothing"
    return f"seeds vary {moved}, so no standard deviation is shown"


def slugs(titles: Sequence[str]) -> list[str]:
    """A distinct readable file name, without suffix, for each title: lower case, words joined by "-"."""
    found: list[str] = []
    for title in titles:
        words = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", title).casefold()).strip("-")
        name = words.encode()[:SLUG_BYTES].decode(errors="ignore").strip("-") or "figure"
        taken = (name, *(f"{name}-{number}" for number in range(2, len(titles) + 1)))
        found.append(next(one for one in taken if one not in found))
    return found


def clipped(text: str, length: int = 60) -> str:
    """The text, cut in its middle where it is longer than `length`."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
