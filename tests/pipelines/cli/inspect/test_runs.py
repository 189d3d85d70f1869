"""The table of runs."""

import csv
import json

from pipelines.cli.inspect import runs
from pipelines.cli.terminal import table
from pipelines.tasks.table import row as table_row
from pipelines.workspace import records

SCORES = {
    "rows": 360, "accuracy": 0.18195000000000003, "interval": [0.1, 0.3], "top5": None, "log_loss": None,
    "calibration_error": None, "calibration_limit": None, "per_class": [], "confusion": [],
}  # fmt: skip
NETWORK = {
    "run": "0" * 12, "kind": "network", "name": "resnet20 from scratch (short)", "class_names": [], "curves": {},
    "mode": "scratch", "architecture": "resnet20", "weights": "none", "image_size": 8, "seed": 0,
    "dataset": {"name": "digits"}, "test": SCORES, "validation": None, "temperature": None, "seconds": {},
    "training": {"rows": 323, "accuracy": 0.2, "kept_accuracy": 0.2}, "parameters": 1, "flops": 1, "bytes": 4,
    "key": {"recipe_options": {"epochs": 2, "learning_rate": 0.1 + 0.2}, "architecture": {"width": 0.5}},
    "choice": {"training_rows": 1293, "validation_rows": 144}, "chosen": {"recipe": "short"},
    "hardware": {"device": "cpu"}, "study": "lab", "files": {},
}  # fmt: skip
HEAD = {
    **NETWORK, "kind": "head", "head": "mlp", "mode": "frozen", "architecture": "test_vit", "weights": "untrained",
    "key": {"options": {"sizes": [256, 128]}, "validation": 0.1, "criterion": "auto"}, "chosen": {"C": 0.1},
    "features": {
        "digest": "", "content": "", "engine": "eager",
        "spec": {"precision": "bfloat16", "batch_size": 64, "preprocessing": {"image_size": [8, 8]}},
    },
}  # fmt: skip


def row(values):
    """The row of a record that holds `values`."""
    return table_row(records.made(values))


def test_data_that_all_runs_share_stand_above_the_table():
    same = runs.listed(runs.RUNS, [row(NETWORK), row({**NETWORK, "run": "1" * 12})])
    assert same[0] == "digits, 1,437 training and 360 test images, 8 px"
    assert "digits" not in "".join(same[1:])
    other = runs.listed(runs.RUNS, [row(NETWORK), row({**NETWORK, "dataset": {"name": "digits", "subset": 500}})])
    assert "digits, 1,437 training and 360 test images " in other[1]
    assert "digits, 500 of 1,437 training and 360 test images " in other[2]


def test_the_csv_file_has_every_hyperparameter_and_no_noise(tmp_path):
    runs._write(tmp_path / "runs.csv", [row(NETWORK), row(HEAD)])
    network, head = csv.DictReader((tmp_path / "runs.csv").open(newline=""))
    assert (network["option.recipe"], network["option.epochs"], network["option.width"]) == ("short", "2", "0.5")
    assert (network["option.learning_rate"], network["test_accuracy"]) == ("0.3", "0.18195")
    assert (head["option.C"], head["option.sizes"], head["option.validation"]) == ("0.1", "[256, 128]", "0.1")
    assert (head["option.extraction.precision"], head["option.extraction.batch_size"]) == ("bfloat16", "64")
    assert (head["backbone"], network["backbone"], head["option.epochs"]) == ("test_vit", "", "")
    counts = [network[f"{part}_rows"] for part in ("training", "validation", "test")]
    assert (counts, network["study"], network["device"]) == (["1293", "144", "360"], "lab", "cpu")


def test_joined_runs_of_several_data_sets_keep_them_at_80_columns(monkeypatch):
    monkeypatch.setattr(table, "terminal_width", lambda: 80)
    one = {
        "name": "logistic on tf_efficientnet_lite0",
        "dataset": "digits",
        "data": "digits",
        "image_size": 8,
        "weights": "packaged",
        "runs": ["a", "b"],
    }
    spread = {"seeds": [0, 1], "mean": 0.8778, "deviation": 0.0196, "least": 0.8639, "greatest": 0.8917}
    spread |= {"validation": 0.88, "interval": (0.84, 0.91), "seconds": 3.2, "drawn": ["training images"]}
    other = {**one, "data": "photos, 90 training and 10 test images"}
    title, *rows, note = runs.ranking([one | spread, other | spread])
    assert note == "ranked by validation accuracy"
    assert "data" in title
    assert ["digits" in rows[0], "photos" in rows[1]] == [True, True]
    assert max(map(len, rows)) <= 80


def test_runs_without_a_failure_are_no_mistake(pipeline, tmp_path):
    place = tmp_path / "workspace"
    records.failed(place, run="f" * 12, kind="network", name="resnet20", key={}, error="no memory")
    assert pipeline("runs", "--workspace", place, "--status", "done").out == "no run fits these filters\n"
    assert pipeline("runs", "--workspace", place, "--status", "don").status == 2


def test_every_heading_of_the_table_sorts(pipeline, workspace):
    for run, accuracy, seconds in (("a", 0.9, 3.0), ("b", 0.1, 5.0), ("c", 0.5, 1.0)):
        scores = {**SCORES, "accuracy": accuracy}
        taken = {"extraction": 0.0, "search": seconds, "fit": 1.0, "evaluation": 0.0, "total": 9.0}
        records.write(workspace, records.made({**NETWORK, "run": run * 12, "test": scores, "seconds": taken}))

    def order(*words):
        return "".join(one["run"][0] for one in pipeline("runs", *words, "--json").json["runs"])

    assert (order("--sort", "test"), order("--sort", "test", "--reverse")) == ("bca", "acb")
    assert order("--sort", "search and fit") == "cab"
    for column in runs.RUNS:
        assert sorted(order("--sort", column.title)) == ["a", "b", "c"]


def test_chosen_classes_are_a_list_in_the_csv_file_as_in_the_json(tmp_path):
    chosen = {**NETWORK, "dataset": {"name": "digits", "classes": ["0", "1"]}}
    runs._write(tmp_path / "runs.csv", [row(chosen)])
    [written] = csv.DictReader((tmp_path / "runs.csv").open(newline=""))
    assert json.loads(written["classes"]) == ["0", "1"]
