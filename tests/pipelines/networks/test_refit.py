"""`pipeline train --refit`: held-out images choose the length and the rates, then everything is trained on."""

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from finetune import history
from finetune.trainer import Trainer
from pipelines.networks import running

WORDS = (
    *("--network", "resnet8", "--width", 0.5, "--dataset", "digits", "--subset", 200, "--test-subset", 100),
    *("--recipe", "laptop", "--batch-size", 50, "--crop", 0, "--flip", "none", "--small-share", 0.0, "--tta", "none"),
)


def test_refit_trains_on_everything_for_the_best_number_of_epochs(pipeline, tmp_path):
    words = (*WORDS, "--validation", "0.2", "--epochs", 3, "--patience", 2)
    plain = pipeline("train", *words, "--json").json
    refitted = pipeline("train", *words, "--refit", "--json").json
    assert refitted["training_rows"] == 200
    assert refitted["validation_accuracy"] == plain["validation_accuracy"]  # of the network that chose
    assert refitted["best_epoch"] == plain["best_epoch"]
    ours, theirs = (load_file(Path(one["path"]) / "network.safetensors") for one in (refitted, plain))
    assert int(ours["bn1.num_batches_tracked"]) == plain["best_epoch"] * (200 // 50)
    assert int(theirs["bn1.num_batches_tracked"]) == plain["best_epoch"] * (160 // 50)


def test_a_refit_takes_the_rates_that_held_out_images_chose(pipeline, monkeypatch):
    fitted, fit = [], running.fit

    def remembered(*arguments, **options):
        fitted.append(fit(*arguments, **options))
        return fitted[-1]

    monkeypatch.setattr(running, "fit", remembered)
    monkeypatch.setattr(Trainer, "held_out", lambda *_: {"validation_loss": 1.0, "validation_accuracy": 0.5})
    monkeypatch.setattr(history, "PLATEAU_EPOCHS", 2)
    words = (*WORDS, "--epochs", 6, "--validation", "0.2", "--schedule", "plateau", "--warm-up", 0)
    assert pipeline("train", *words, "--learning-rate", 0.01, "--refit").status == 0
    chosen, refit = (one.curves["learning_rate"] for one in fitted)
    assert chosen == pytest.approx([0.01] * 3 + [0.001] * 2 + [0.0001])
    assert refit == chosen
