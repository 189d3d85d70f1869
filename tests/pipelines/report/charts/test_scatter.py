"""Points over a cost, with names."""

from pipelines.report.charts import scatter

LOOK = {"color": {"value": "red"}, "shape": {"value": "circle"}}


def _point(name, cost, accuracy):
    return {"brief": name, "cost": cost, "accuracy": accuracy, "low": accuracy - 1, "high": accuracy + 1}


def test_an_outlier_stands_at_the_edge_with_its_accuracy_and_the_others_fill_the_axis():
    points = [_point(name, 10.0**at, 90.0 + at) for at, name in enumerate("abcd")] + [_point("far", 30.0, 20.0)]
    cost = scatter.Cost("cost", "cost", "cost", float, str)
    chart = scatter.chart(scatter.Points(points, points), cost, up="accuracy", colored="brief", look=LOOK, tips=[])
    names = next(layer["data"]["values"] for layer in chart["layer"] if layer["mark"]["type"] == "text")
    low, _ = chart["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    assert low > 80
    assert [one["text"] for one in names] == ["a", "b", "c", "d", "far, 20.0 %"]
    assert [one["at"] for one in names if one["brief"] == "far"] == [low]
