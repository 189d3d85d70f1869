"""`pipeline train`: what it says."""

from pathlib import Path

from finetune.training.config import TrainingProgress
from pipelines.cli.commands import train
from pipelines.training.progress import ProgressReporter
from pipelines.workspace.context import Context


def test_one_epoch_is_no_epochs():
    answer = {
        "name": "n", "parameters": 1, "flops": 1, "validation_accuracy": None, "test_tta_accuracy": None,
        "without_near_copies_accuracy": None, "without_near_copies_rows": None,
        "test_accuracy": 0.5, "test_interval": (0.4, 0.6), "test_rows": 9, "log_loss": 1.0, "calibration_error": 0.1,
        "calibration_limit": 0.2, "temperature": None, "training_accuracy": 1.0,
        "train_seconds": 1.0, "images_per_second": 9.0, "cached": False, "path": "p",
    }  # fmt: skip
    assert any(", 1 epoch, " in line for line in train._text({**answer, "epochs_run": 1}))
    assert any(", 2 epochs, " in line for line in train._text({**answer, "epochs_run": 2}))


def test_a_training_of_hours_says_what_would_be_shorter():
    said = []
    watch = ProgressReporter(Context(Path(), notice=said.append), images=50_000)
    for _ in range(4):
        watch.report(TrainingProgress(1, 30, 10, 390, 2.0, 0.1, 0.1, 100.0, 15_000.0, None))
    assert said == ["that is over an hour: --recipe cpu --subset 5000 takes about 12 min"]
    few = ProgressReporter(Context(Path(), notice=said.append), images=1000)
    for _ in range(4):
        few.report(TrainingProgress(1, 200, 1, 8, 2.0, 0.1, 0.1, 30.0, 6600.0, None))
    assert said.pop() == "that is over an hour: --recipe cpu takes about 8 min"  # 15 epochs of 1,000 at 30 a second
    ProgressReporter(Context(Path(), notice=said.append), images=1000).report(
        TrainingProgress(1, 30, 1, 8, 2.0, 0.1, 0.1, 5.0, 6e3, None)
    )
    assert len(said) == 1


def test_a_training_that_leaves_threads_to_others_says_how_to_take_them(monkeypatch):
    said = []
    monkeypatch.setattr("pipelines.training.progress.thread_count", lambda: 4)
    watch = ProgressReporter(Context(Path(), notice=said.append), images=1000)
    for left in (0, 0, 3):
        watch.report(TrainingProgress(1, 30, 1, 8, 2.0, 0.1, 0.1, 5.0, 60.0, None, left_threads=left))
    (line,) = said
    assert line.startswith("1 of 4 threads")
    assert "--threads 4" in line
