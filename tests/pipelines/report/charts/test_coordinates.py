"""Parallel coordinates: scales as the search drew them, and no line through a number."""

import pytest

from pipelines.report.charts import coordinates


def trials(rates):
    params = [{"rate": rate, "optimizer": kind} for rate, kind in zip(rates, ("adamw", "muon", "sgd"), strict=True)]
    return [{"number": at, "params": one, "value": 0.9 + at / 100} for at, one in enumerate(params)]


@pytest.mark.parametrize(("logarithmic", "place"), [(["rate"], 0.5), ([], 0.2)])
def test_an_axis_is_logarithmic_where_the_search_drew_so(logarithmic, place):
    figure = coordinates.figure(trials((0.01, 0.04, 0.16)), logarithmic=logarithmic, name="n", title="t")
    assert figure is not None
    points = figure.chart["layer"][0]["data"]["values"]
    (middle,) = [one["place"] for one in points if one["axis"].startswith("rate") and one["trial"] == 1]
    assert middle == pytest.approx(place)


def test_numbers_stand_outside_the_lines_or_on_paper():
    figure = coordinates.figure(trials((1, 2, 3)), logarithmic=[], name="n", title="t")
    assert figure is not None
    _, above, below, halo, between = figure.chart["layer"]
    assert above["mark"]["dy"] < 0 < below["mark"]["dy"]
    assert halo["mark"]["stroke"] == coordinates.theme.PAPER
    assert [one["text"] for one in between["data"]["values"]] == ["muon"]
