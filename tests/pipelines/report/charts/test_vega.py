"""Axes that every chart shares, and runs below one another with an interval each."""

import json

import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.report.charts import vega
from pipelines.report.page.render import VEGA_LITE


@settings(max_examples=100)
@given(low=st.floats(1e-9, 1e9), factor=st.floats(1.01, 1e12))
def test_a_logarithmic_axis_has_at_least_three_ticks_within_it(low, factor):
    found = vega.number("", "", log=[low, low * factor])
    axis, (start, end) = found["axis"], found["scale"]["domain"]
    assert 3 <= len(axis["values"]) <= 16
    assert all(start <= tick <= end * (1 + 1e-9) for tick in axis["values"])


def test_one_outlier_does_not_stretch_the_axis_of_the_others():
    values = [93.6, 94.4, 92.2, 96.7, 97.2, 40.0]
    low, high = vega.bulk_domain(values, [(value - 2, value + 2) for value in values])
    assert 89 < low < 90.2
    assert 99.2 < high < 100
    two_kinds = [71, 70, 68, 67, 31, 25, 25, 12]
    assert vega.bulk_domain(two_kinds, [(value - 4, value + 4) for value in two_kinds])[0] < 8
    assert vega.bulk_domain([50], [(50, 50)]) == [49, 51]


def test_an_outlier_is_written_at_the_edge_of_the_axis_of_the_others():
    accuracies = {"a": 93.6, "b": 94.4, "c": 92.2, "d": 96.7, "far": 40.0}
    values = [
        {"label": name, "mode": "frozen", "accuracy": one, "low": one - 2, "high": one + 2}
        for name, one in accuracies.items()
    ]
    chart = vega.ranges(values, "accuracy", title="accuracy", tips=[])
    domain = chart["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert domain[0] > 89
    written = [layer["data"]["values"] for layer in chart["layer"] if "text" in layer["encoding"]]
    assert written == [[{"label": "far", "at": domain[0], "text": "← 40.0"}]]
    assert "−3" in json.dumps(
        vega.ranges(
            [{**one, "accuracy": one["accuracy"] - 70} for one in values], "accuracy", title="", tips=[], zero=True
        ),
        ensure_ascii=False,
    )


@settings(max_examples=100)
@given(low=st.floats(1e-3, 1e5), factor=st.floats(1.01, 1e8), log=st.booleans())
def test_an_axis_of_times_has_few_ticks_within_it(low, factor, log):
    high = min(low * factor, 3e6)
    domain = [low, high] if log else [0, high]
    ticks = vega.time_ticks(*domain, log=log)
    assert 2 <= len(ticks) <= 16 if log else 2 <= len(ticks) <= 7
    assert all(domain[0] <= tick <= domain[1] * (1 + 1e-9) for tick in ticks)


@pytest.mark.parametrize(
    ("axis", "written"),
    [
        (vega.number("at", "time", domain=[0, 5200], times=True), ["0", "30 min", "1 h"]),
        (vega.number("at", "time", domain=[0, 0.25], times=True), ["0", "100 ms", "200 ms"]),
        (vega.number("at", "time", log=[43, 900], times=True), ["1 min", "3 min", "10 min"]),
        (vega.number("at", "time", log=[43, 5200], times=True), ["1 min", "10 min", "1 h"]),
        (vega.number("at", "time", log=[1, 400_000], times=True), ["1 s", "10 s", "1 min", "10 min", "1 h", "10 h"]),
    ],
)
def test_times_are_written_in_their_units(axis, written):
    chart = {"width": 600, **vega.mark("point", [{"at": 50}], {}, x=axis)}
    svg = vl_convert.vegalite_to_svg(chart, vl_version=VEGA_LITE)
    places = [svg.find(f">{text}<") for text in written]
    assert -1 not in places
    assert places == sorted(places)
