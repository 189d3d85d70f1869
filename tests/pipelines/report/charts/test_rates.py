"""The figure of a learning-rate range test."""

import json

import numpy as np

from pipelines.report.charts import rates
from pipelines.report.page import theme


def test_the_axis_fits_the_fall_and_says_what_it_cuts_off(tmp_path):
    at = np.geomspace(1e-5, 10, 60)
    losses = 2.3 - 1.2 / (1 + np.exp(-3 * (np.log10(at) + 2))) + np.where(at > 0.5, at**3, 0)
    rates.draw(tmp_path / "r.json", rates=at.tolist(), losses=[*losses[:-1], float("nan")], suggested=0.03)
    chart = json.loads((tmp_path / "r.json").read_text())
    low, high = next(layer["encoding"]["y"]["scale"]["domain"] for layer in chart["layer"] if "y" in layer["encoding"])
    assert 0.9 < low < losses.min()
    assert losses[0] < high < 3
    assert chart["title"]["subtitle"] == ["losses above the axis are cut off"]
    assert chart["config"]["axis"] == theme.config()["axis"]
    assert "suggested: 0.03" in json.dumps(chart)
