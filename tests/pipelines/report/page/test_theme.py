"""Axes and colors that every chart shares."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.report.page import theme


@settings(max_examples=100)
@given(low=st.floats(1e-9, 1e9), factor=st.floats(1.01, 1e12))
def test_a_logarithmic_axis_has_at_least_three_ticks_within_it(low, factor):
    axis = theme.axis_of("", log=[low, low * factor])["axis"].to_dict()
    start, end = theme.axis_of("", log=[low, low * factor])["scale"].to_dict()["domain"]
    assert 3 <= len(axis["values"]) <= 16
    assert all(start <= tick <= end * (1 + 1e-9) for tick in axis["values"])


def test_one_outlier_does_not_stretch_the_axis_of_the_others():
    values = [93.6, 94.4, 92.2, 96.7, 97.2, 40.0]
    low, high = theme.bulk_domain(values, [(value - 2, value + 2) for value in values])
    assert 89 < low < 90.2
    assert 99.2 < high < 100
    two_kinds = [71, 70, 68, 67, 31, 25, 25, 12]
    assert theme.bulk_domain(two_kinds, [(value - 4, value + 4) for value in two_kinds])[0] < 8
    assert theme.bulk_domain([50], [(50, 50)]) == [49, 51]


def test_labels_stand_under_their_ticks():
    assert theme.config()["axis"]["labelFlush"] is False


@pytest.mark.parametrize("ramp", [(theme.WASH_BLUE, theme.DEEP_BLUE), (theme.WASH_RED, theme.DEEP_RED)])
def test_digits_stand_out_from_every_cell_on_light_and_on_dark(ramp):
    for share in (step / 100 for step in range(101)):
        ink = theme.ink_on(ramp, share)
        for colors, least in ((lambda one: one, 4.0), (theme.DARK.__getitem__, 3.5)):
            back = theme.blend_luminance([colors(one) for one in ramp], share)
            front = theme.blend_luminance([colors(ink)] * 2, 0)
            assert max(back, front) / min(back, front) > least
