"""Trade-offs: the front."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.overview.tradeoff import front

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(POINTS)
def test_the_front_holds_exactly_what_no_other_beats(points):
    kept = {points[index] for index in front(points)}
    for point in points:
        beaten = any(o[0] <= point[0] and o[1] >= point[1] and o != point for o in points)
        assert (point in kept) != beaten
