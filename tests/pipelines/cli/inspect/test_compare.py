"""`pipeline compare`."""

import pytest

from pipelines.workspace import records
from tests.pipelines.fitting import fit


def test_two_runs_are_compared_image_by_image(pipeline, tmp_path):
    weak, strong = (
        fit(pipeline, "--head", "knn", "--k", 200, "--temperatures", "none"),
        fit(pipeline, "--c-grid", "0.01"),
    )
    found = pipeline("compare", weak["run"], strong["run"][:5], "--json").json
    (logits_a, labels), (logits_b, _) = (records.logits(tmp_path / "workspace", one["run"]) for one in (weak, strong))
    right_a, right_b = logits_a.argmax(1) == labels, logits_b.argmax(1) == labels
    assert found["difference"] == pytest.approx(strong["test_accuracy"] - weak["test_accuracy"])
    assert (found["only_a"], found["only_b"]) == ((right_a & ~right_b).sum(), (right_b & ~right_a).sum())
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]
    assert found["p_value"] < 0.05
    turned = pipeline("compare", strong["run"], weak["run"], "--json").json
    assert turned["difference"] == -found["difference"]
    assert turned["p_value"] == found["p_value"]
    same = pipeline("compare", weak["run"], weak["run"][:5])
    assert (same.status, "runs to compare must differ; got" in same.err) == (2, True)
    assert "McNemar" in pipeline("compare", weak["run"], strong["run"]).out


def test_several_runs_are_compared_with_the_first(pipeline):
    runs = [fit(pipeline, "--c-grid", C)["run"] for C in ("0.01", "1e-5", "0.1")]
    found = pipeline("compare", *runs, "--json").json
    assert [one["second"] for one in found["comparisons"]] == runs[1:]
    alone = [pipeline("compare", runs[0], other, "--json").json for other in runs[1:]]
    corrected = found["comparisons"]
    assert [one["difference"] for one in corrected] == [one["difference"] for one in alone]
    least, most = sorted((one["p_value"], two["p_value"]) for one, two in zip(alone, corrected, strict=True))
    assert least[1] == pytest.approx(min(2 * least[0], 1.0))  # Holm's first step of two
    assert most[1] == pytest.approx(max(most[0], least[1]))
    for one in corrected:
        assert (one["interval"][0] <= 0 <= one["interval"][1]) == (one["p_value"] >= 0.05)
    assert found["difference"] == alone[0]["difference"]
    shown = pipeline("compare", *runs).out
    assert all(run in shown for run in runs)
    assert "corrected for 2 comparisons (Holm)" in " ".join(shown.split())


def test_comparing_nothing_or_in_an_empty_workspace_is_a_right_sentence(pipeline):
    ended = pipeline("compare", "a", "b")
    assert ended.status == 2
    assert "has no runs. `pipeline fit-head` makes one" in ended.err
    assert "runs to compare must be at least two; got 'a' alone" in pipeline("compare", "a").err
