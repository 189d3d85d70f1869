"""The table of runs: chosen, sorted, joined over seeds."""

import csv

import pytest

from pipelines.workspace import records
from tests.pipelines.fitting import fit


def test_runs_that_differ_by_their_seed_are_joined(pipeline):
    words = ("--head", "linear", "--epochs", 1, "--learning-rates", "1e-3", "--weight-decays", "0")
    heads = [fit(pipeline, *words, "--option", f"batch_size={size}", "--seeds", 2) for size in (64, 64, 32)]
    found = pipeline("runs", "--join-seeds", "--head", "lin*", "--json").json
    assert found["count"] == 4
    groups = {tuple(sorted(one["runs"])): one for one in found["joined"]}
    assert groups.keys() == {tuple(sorted(one["repeats"]["runs"])) for one in heads}
    for one in heads:
        group = groups[tuple(sorted(one["repeats"]["runs"]))]
        assert group["mean"] == pytest.approx(one["repeats"]["mean"])
        assert group["deviation"] == pytest.approx(one["repeats"]["deviation"])
        assert group["interval"][0] < group["mean"] < group["interval"][1]
    shown = pipeline("runs", "--join-seeds").out
    assert "0, 1" in shown


def test_runs_are_listed_chosen_and_sorted(pipeline, tmp_path):
    assert pipeline("runs", "--json").json == {"runs": [], "count": 0, "problems": [], "csv": None}
    knn, logistic = (
        fit(pipeline, "--head", "knn", "--k", 200, "--temperatures", "none"),
        fit(pipeline, "--c-grid", "0.01"),
    )
    workspace, table = tmp_path / "workspace", tmp_path / "runs.csv"
    records.failed(workspace, run="f" * 12, kind="network", name="resnet20", key={}, error="no memory")
    (workspace / "runs" / ("0" * 12)).mkdir()
    (workspace / "runs" / ("0" * 12) / "record.json").write_text("{")
    listed = pipeline("runs", "--sort", "test_accuracy", "--reverse", "--csv", table, "--json")
    assert [one["run"] for one in listed.json["runs"]] == [logistic["run"], knn["run"], "f" * 12]
    assert len(listed.json["problems"]) == 1
    assert "000000000000" in listed.err
    rows = list(csv.DictReader(table.open()))
    assert [row["run"] for row in rows] == [logistic["run"], knn["run"], "f" * 12]
    assert float(rows[0]["test_accuracy"]) == pytest.approx(logistic["test_accuracy"])
    assert rows[2]["error"] == "no memory"
    for words, expected in [
        (("--head", "knn"), [knn["run"]]),
        (("--status", "failed"), ["f" * 12]),
        (("--kind", "head"), [knn["run"], logistic["run"]]),
        (("--architecture", "test_*"), [knn["run"], logistic["run"]]),
        (("--head", "*"), [knn["run"], logistic["run"]]),  # the failed network has none
        (("--dataset", "digits", "--mode", "frozen", "--architecture", "test_resnet"), [knn["run"], logistic["run"]]),
    ]:
        assert [one["run"] for one in pipeline("runs", *words, "--json").json["runs"]] == expected
    shown = pipeline("runs").out
    assert "knn on test_resnet" in shown
    assert "failed" in shown
    for words, sentence in [(("--head", "kn"), "Nearest: knn"), (("--sort", "accuracy"), "Nearest: test_accuracy")]:
        ended = pipeline("runs", *words)
        assert ended.status == 2
        assert sentence in ended.err
