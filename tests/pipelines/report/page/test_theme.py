"""Colors that every chart shares."""

import pytest

from pipelines.report.page import theme


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
