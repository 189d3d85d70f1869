"""Names beside points never cover one another, at any width."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.report.charts.labels import CHARACTER, LINE, NARROW, WIDE, NamedPoint, Place, placed

HEIGHT = 300


def boxes(
    points: list[NamedPoint], places: list[Place | None], width: float
) -> list[tuple[float, float, float, float]]:
    found = []
    for point, place in zip(points, places, strict=True):
        if place is not None:
            x, long = point.share * width + place.dx, CHARACTER * len(point.name)
            left = x - {"left": 0, "center": long / 2, "right": long}[place.align]
            found.append((left, left + long, point.y + place.dy - LINE / 2, point.y + place.dy + LINE / 2))
    return found


@settings(max_examples=40)
@given(
    spots=st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(20, 280), st.integers(4, 22)), min_size=1, max_size=15)
)
def test_no_name_covers_another_or_leaves_the_plot(spots):
    points = [NamedPoint("n" * length, share, y, y - 20, y + 20) for share, y, length in spots]
    places = placed(points, HEIGHT)
    for width in (NARROW, 420, WIDE):
        found = boxes(points, places, width)
        assert all(one[0] >= 0 and one[1] <= width + 1e-6 and one[2] >= 0 and one[3] <= HEIGHT for one in found)
        for index, one in enumerate(found):
            for other in found[:index]:
                assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.95])
def test_fifteen_points_above_one_another_are_all_named(share):
    points = [NamedPoint(f"a head of some kind {index}", share, 100 + 2 * index, 90, 140) for index in range(15)]
    places = placed(points, HEIGHT)
    assert None not in places
    assert sum(place.is_apart for place in places if place) > 5


def test_a_name_alone_stands_beside_its_point():
    assert placed([NamedPoint("one", 0.3, 100, 90, 110)], HEIGHT) == [Place(8, 0, "left")]
