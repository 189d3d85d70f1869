"""`pipelines.report.charts.curves`: one run as a picture, read as SVG, and the range test of learning rates."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.report.charts import curves
from pipelines.report.page import theme


def record(*, table: Any = None, **parts: Any) -> Any:
    """A record with as much as a picture needs."""
    chosen = {"learning_rate": 0.01, "weight_decay": 0.1, "stop_epoch": 2}
    choice = SimpleNamespace(kept_epoch=2, kept_by="log_loss", table=table)
    unknown = dict.fromkeys(("head", "training", "validation"))
    given = {"name": "mlp on a", "key": {}, "curves": {}, "chosen": chosen, "choice": choice, **unknown, **parts}
    return SimpleNamespace(test=SimpleNamespace(accuracy=0.5), **given)


def drawn(folder: Path, one: Any) -> str:
    """The SVG of a record."""
    curves.write_run(folder / "run.svg", one)
    return (folder / "run.svg").read_text()


def candidate(**options: Any) -> dict[str, Any]:
    """A row of a search's table."""
    return {"weight_decay": 0.1, "stop_epoch": 2, "epochs_run": 3, "log_loss": 0.5, "accuracy": 0.8, **options}


def test_candidates_that_differ_in_more_than_the_axis_have_lines_of_their_own(tmp_path: Path) -> None:
    table = [
        candidate(learning_rate=0.01),
        candidate(learning_rate=0.02),
        candidate(learning_rate=0.01, copies=4, stop_epoch=7),
    ]
    svg = drawn(tmp_path, record(table=table))
    assert "copies 1" in svg
    assert "copies 4" in svg
    assert "stop epoch" not in svg
    assert "weight decay" not in svg


def fitted(**options: Any) -> dict[str, Any]:
    """A row of the table of a head that is fitted in one go."""
    return {"log_loss": 0.5, "accuracy": 0.8, **options}


CS = (0.001, 0.01, 0.1)


@pytest.mark.parametrize(
    ("rows", "chosen", "names"),
    [
        (
            [fitted(C=C, solver="path", gradient_norm=C / 7, iterations=1, passes=C, converged=C > 0.01) for C in CS],
            {"C": 0.01, "solver": "path"},
            set(),
        ),
        ([fitted(alpha=C, temperature=3 * C) for C in CS], {"alpha": 0.01, "temperature": 0.03}, set()),
        (
            [fitted(neighbors=n, temperature=t, centered=True) for n in (1, 5) for t in (None, 0.1)],
            {"neighbors": 5, "temperature": None, "centered": True},
            {"temperature none", "temperature 0.1"},
        ),
        (
            [fitted(shrinkage=s, metric=m, temperature=s + 1) for s in (0.0, 10.0) for m in ("cosine", "euclidean")],
            {"metric": "cosine", "shrinkage": 0.0, "temperature": 1.0},
            {"metric cosine", "metric euclidean"},
        ),
        (
            [fitted(alpha=a, bandwidth=b, images=9, temperature=a * b) for a in (0.3, 3.0) for b in (0.5, 0.7)],
            {"alpha": 0.3, "bandwidth": 0.7, "temperature": 0.21},
            {"bandwidth 0.5", "bandwidth 0.7"},
        ),
        (
            [candidate(learning_rate=r, hidden=h, weight_decay=0.1, batch_size=32) for r in CS for h in ([8], [8, 4])],
            {"learning_rate": 0.01, "hidden": [8], "weight_decay": 0.1, "stop_epoch": 2},
            {"hidden 8", "hidden 8-4"},
        ),
    ],
    ids=["logistic", "ridge", "knn", "centroid", "kernel", "mlp"],
)
def test_the_legend_names_hyperparameters_and_the_ring_the_chosen_candidate(rows, chosen, names, tmp_path) -> None:
    svg = drawn(tmp_path, record(table=rows, chosen=chosen))
    said = set(re.findall(r">((?:[a-z]+ )+(?:[-\d.]+|none|cosine|euclidean))<", svg))
    assert said == names
    assert len(re.findall(r">[^<]*\(ring: chosen, [^<]*<", svg)) == 2
    assert svg.count('stroke="#00875a" stroke-width="2"') == 2
    assert len(re.findall(r'aria-roledescription="line mark"', svg)) == 2 * max(len(names), 1)


def test_candidates_that_were_not_fitted_to_the_end_are_hollow(tmp_path: Path) -> None:
    rows = [fitted(C=C, rough=C > 0.05, converged=C < 0.05) for C in CS]
    svg = drawn(tmp_path, record(table=rows, chosen={"C": 0.01}))
    assert len(re.findall(r">[^<]*; hollow: not fitted to the end<", svg)) == 2
    assert svg.count('fill="#ffffff" stroke="#0072b2"') == 2  # one point a panel
    exact = [{**row, "rough": False} for row in rows]
    assert "hollow" not in drawn(tmp_path, record(table=exact, chosen={"C": 0.01}))


def test_a_search_over_one_number_needs_no_legend(tmp_path: Path) -> None:
    svg = drawn(tmp_path, record(table=[candidate(learning_rate=rate) for rate in (0.01, 0.02)]))
    assert "learning rate" in svg
    assert "copies" not in svg


def test_over_fitting_is_shaded_and_only_then(tmp_path: Path) -> None:
    fits = {"training_loss": [1.0, 0.6, 0.4], "validation_loss": [1.0, 0.7, 0.6]}
    over = {"training_loss": [1.0, 0.6, 0.1], "validation_loss": [1.0, 0.7, 1.4]}
    assert "kept: 2" in drawn(tmp_path, record(curves=fits))
    shades = [drawn(tmp_path, record(curves=one)).count('opacity="0.12"') for one in (fits, over)]
    assert shades == [0, 1]


def test_running_curves_are_named_for_what_they_are(tmp_path: Path) -> None:
    one = {"training_accuracy": [0.5, 0.9], "running_training_accuracy": [0.3, 0.6], "validation_accuracy": [0.5, 0.8]}
    head = drawn(tmp_path, record(curves=one))
    assert "running, in training mode" in head
    plain = {"crop": 0, "flip": "none"}
    for options, words in ((plain, "in training mode"), ({**plain, "mixup": 0.2}, "on augmented batches")):
        network = drawn(tmp_path, record(curves=one, key={"recipe_options": options}))
        assert f"running, {words}" in network
    assert network.count("stroke-dasharray") > drawn(
        tmp_path, record(curves={**one, "running_training_accuracy": []})
    ).count("stroke-dasharray")


def test_the_axis_fits_the_fall_and_says_what_it_cuts_off(tmp_path: Path) -> None:
    at = np.geomspace(1e-5, 10, 60)
    losses = 2.3 - 1.2 / (1 + np.exp(-3 * (np.log10(at) + 2))) + np.where(at > 0.5, at**3, 0)
    curves.write_range_test(tmp_path / "r.json", rates=at.tolist(), losses=[*losses[:-1], float("nan")], suggested=0.03)
    chart = json.loads((tmp_path / "r.json").read_text())
    low, high = next(layer["encoding"]["y"]["scale"]["domain"] for layer in chart["layer"] if "y" in layer["encoding"])
    assert 0.9 < low < losses.min()
    assert losses[0] < high < 3
    assert chart["title"]["subtitle"] == ["losses above the axis are cut off"]
    assert chart["config"]["axis"] == theme.config()["axis"]
    assert "suggested: 0.03" in json.dumps(chart)
