"""Runs side by side: in pairs on the same test images, and in a table."""

import csv
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from extract.data import digits
from extract.runtime.disk import file_sha256
from pipelines.workspace import records

DIGITS = ("--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", "32")
DIGITS = (*DIGITS, "--subset", "300")


def fit(pipeline, *words) -> dict:
    """The answer of `fit-head` on few digits."""
    ended = pipeline("fit-head", *DIGITS, *words, "--json")
    assert ended.status == 0, ended.err
    return ended.json


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
    same = pipeline("compare", weak["run"], weak["run"], "--json").json
    assert (same["difference"], same["p_value"]) == (0, 1)
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


def test_runs_on_other_test_images_are_refused(pipeline, photo_folder):
    whole = fit(pipeline, "--c-grid", "0.01")
    part = fit(pipeline, "--c-grid", "0.01", "--test-subset", 100)
    drawn = fit(pipeline, "--c-grid", "0.01", "--test-subset", 100, "--seed", 1)
    other = fit(pipeline, "--dataset", photo_folder, "--subset", 10, "--validation", "none", "--c-grid", "0.01")
    for first, second, why in [
        (whole, part, "test subset is None and 100"),
        (part, drawn, "seed is 0 and 1"),
        (whole, other, "the data sets are 'digits' and 'photos'"),
    ]:
        ended = pipeline("compare", first["run"], second["run"])
        assert ended.status == 2
        assert why in ended.err
    assert pipeline("compare", whole["run"], "nothing").status == 2


def test_runs_are_never_paired_on_other_images_whatever_their_options_say(pipeline, tmp_path):
    """A file that was read on one day and not on the next leaves no trace but in the ids."""
    runs = [fit(pipeline, "--c-grid", C)["run"] for C in ("0.01", "0.02")]
    workspace = tmp_path / "workspace"
    assert records.test_ids(workspace, runs[0]) == digits.load().splits["test"].ids
    record = records.read(workspace, runs[1])
    others = records.images_digest(record.dataset.digest, records.test_ids(workspace, runs[1])[1:])
    dataset = structs.replace(record.dataset, test_images=others)
    records.write(workspace, structs.replace(record, dataset=dataset))
    ended = pipeline("compare", *runs)
    assert ended.status == 2
    assert "other files could be read" in ended.err
    page = pipeline("report", "--json").json["path"]
    assert 'id="differences"' not in Path(page).read_text(encoding="utf-8")


def test_labels_that_differ_are_refused_though_the_data_set_bears_the_same_digest(pipeline, tmp_path):
    runs = [fit(pipeline, "--c-grid", C)["run"] for C in ("0.01", "0.02")]
    workspace = tmp_path / "workspace"
    logits, labels = records.logits(workspace, runs[1])
    path = records.folder(workspace, runs[1]) / records.LOGITS_NAME
    records.keep_logits(path, logits, labels=np.roll(labels, 1), ids=records.test_ids(workspace, runs[1]))
    record = records.read(workspace, runs[1])
    files = {**record.files, path.name: file_sha256(path)}
    records.write(workspace, structs.replace(record, files=files))
    assert "the labels differ" in pipeline("compare", *runs).err


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
