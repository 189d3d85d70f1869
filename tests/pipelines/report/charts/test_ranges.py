"""Runs below one another with an interval each."""

import json

from pipelines.report.charts import vega


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
