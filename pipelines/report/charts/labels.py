"""Names beside points: placed so that none covers another name or a point, however wide the chart is drawn.

A name is placed by greedy search among places around its point, nearest first (as in Christensen, Marks and Shieber,
1995), and has a leader line where it stands apart. Places are pixels from the point, so they hold at every width
between `NARROW` and `WIDE`: two names must be apart in the same direction at both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.report.page import measure, theme

NARROW, WIDE = 250, 780  # pixels of a plot: beside another on paper, and alone in a file
CHARACTER, LINE, GAP = 7.2, 13, 8  # pixels of a character of 12 pixels, of a line, between a point and its name
DOT = 6  # half the side of a point, and what must be free around it
BAR = 15  # pixels of distance that a bar or line counts for at each width at which it is crossed


@dataclass(frozen=True)
class NamedPoint:
    """A named point: `share` of the width from the left, `y` pixels from the top, its bar from `top` to `bottom`."""

    name: str
    share: float
    y: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Place:
    """Position of a label: pixels from its point to the end of the text that `align` names."""

    dx: float
    dy: float
    align: str

    @property
    def is_apart(self) -> bool:
        """Whether it needs a leader line."""
        return abs(self.dy) > LINE


@dataclass(frozen=True)
class Line:
    """A level or upright line that names keep off where they can: shares of the width, and pixels from the top."""

    start: float
    end: float
    top: float
    bottom: float


@dataclass(frozen=True)
class _Box:
    share: float
    left: float
    right: float
    top: float
    bottom: float
    end: float | None = None  # the share from which `right` counts, where it is another

    def at(self, width: float) -> tuple[float, float]:
        end = self.share if self.end is None else self.end
        return self.share * width + self.left, end * width + self.right


def placed(
    points: Sequence[NamedPoint], height: float, *, others: Sequence[NamedPoint] = (), lines: Sequence[Line] = ()
) -> list[Place | None]:
    """A place for the name of each point in a plot of `height` pixels; None where no place is free of all points.

    The `others` are points whose names are not shown.
    """
    taken = [_Box(one.share, -DOT, DOT, one.y - DOT, one.y + DOT) for one in (*points, *others)]
    bars = [_Box(one.share, -1, 1, one.top, one.bottom) for one in (*points, *others)]
    bars += [_Box(one.start, -1, 1, one.top - 3, one.bottom + 3, one.end) for one in lines]
    found: list[Place | None] = [None] * len(points)
    beyond = [one.y <= 0 or one.y >= height for one in points]  # drawn at the edge: their names stand there
    for index in sorted(
        range(len(points)), key=lambda index: (not beyond[index], points[index].y, points[index].share)
    ):
        best = min(_free(points[index], taken, bars, height), key=lambda pair: pair[0], default=None)
        if best is not None:
            found[index] = best[1]
            taken.append(_box(points[index], best[1]))
    return found


def _free(
    point: NamedPoint, taken: Sequence[_Box], bars: Sequence[_Box], height: float
) -> Iterator[tuple[float, Place]]:
    """Places that cover nothing and lie within the plot, with what each costs."""
    for place in _places(height):
        box = _box(point, place)
        within = box.top >= 0 and box.bottom <= height
        within = within and all(box.at(width)[0] >= 0 and box.at(width)[1] <= width for width in (NARROW, WIDE))
        if within and all(_clear(box, other) for other in taken):
            crossed = sum(_cover(box, bar, width) for bar in bars for width in (NARROW, WIDE))
            yield abs(place.dy) + (3 if place.align == "right" else 0) + BAR * crossed, place


def _places(height: float) -> Iterator[Place]:
    for step in range(int(2 * height / LINE)):
        for dy in dict.fromkeys((step * LINE / 2, -step * LINE / 2)):
            yield Place(GAP, dy, "left")
            yield Place(-GAP, dy, "right")
            if abs(dy) > DOT + LINE / 2:
                yield Place(0, dy, "center")


def _box(point: NamedPoint, place: Place) -> _Box:
    width = max(CHARACTER * len(point.name), measure.width(point.name, theme.LEAST_FONT))
    left = {"left": place.dx, "right": place.dx - width, "center": place.dx - width / 2}[place.align]
    middle = point.y + place.dy
    return _Box(point.share, left, left + width, middle - LINE / 2, middle + LINE / 2)


def _cover(one: _Box, other: _Box, width: float) -> bool:
    """Whether two boxes overlap at a width."""
    a, b = one.at(width), other.at(width)
    return one.bottom > other.top and other.bottom > one.top and a[1] > b[0] and b[1] > a[0]


def _clear(one: _Box, other: _Box) -> bool:
    """Whether two boxes are apart at every width: upright, or in the same direction at the least and the greatest."""
    if one.bottom <= other.top or other.bottom <= one.top:
        return True
    ends = [(one.at(width), other.at(width)) for width in (NARROW, WIDE)]
    return all(a[1] <= b[0] for a, b in ends) or all(b[1] <= a[0] for a, b in ends)
