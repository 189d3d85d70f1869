"""The table of runs."""

from pipelines.cli import runs, show, train
from pipelines.cli.runs import _cells
from pipelines.table import row


def test_runs_that_differ_in_their_seed_or_in_how_many_images_look_different():
    record = {"run": "0" * 12, "name": "resnet20 from scratch (short)", "status": "done", "dataset": {"name": "digits"}}
    assert _cells(row({**record, "seed": 0}))[1:3] == ["resnet20 from scratch (short)", "digits"]
    other = row({**record, "seed": 2, "dataset": {"name": "digits", "subset": 500}})
    assert _cells(other)[1:3] == ["resnet20 from scratch (short), seed 2", "digits, 500 images"]


def test_joined_runs_of_several_data_sets_keep_them_at_80_columns(monkeypatch):
    monkeypatch.setattr(show, "terminal_width", lambda: 80)
    one = {"name": "logistic on tf_efficientnet_lite0", "dataset": "digits", "subset": None, "runs": ["a", "b"]}
    spread = {"seeds": [0, 1], "mean": 0.8778, "deviation": 0.0196, "least": 0.8639, "greatest": 0.8917}
    spread |= {"validation": 0.88, "interval": None, "seconds": 3.2, "drawn": ["training images"]}
    title, row, note = runs.ranking([one | spread])
    assert note == "ranked by validation accuracy"
    assert "data set" in title
    assert "digits" in row
    assert len(row) <= 80


def test_one_epoch_is_no_epochs():
    answer = {
        "name": "n", "parameters": 1, "flops": 1, "validation_accuracy": None, "test_tta_accuracy": None,
        "test_accuracy": 0.5, "test_interval": (0.4, 0.6), "test_rows": 9, "log_loss": 1.0, "calibration_error": 0.1,
        "train_seconds": 1.0, "images_per_second": 9.0, "cached": False, "path": "p",
    }  # fmt: skip
    assert any(", 1 epoch, " in line for line in train._text({**answer, "epochs_run": 1}))
    assert any(", 2 epochs, " in line for line in train._text({**answer, "epochs_run": 2}))
