"""`pipeline train --refit`: validation images choose the length and the rates, then everything is trained on."""

import itertools
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from finetune.training import history
from finetune.training.trainer import Trainer
from heads.neural.schedule import schedule as rate_factor
from pipelines.training import prepare

WORDS = (
    *("--network", "resnet8", "--width", 0.5, "--dataset", "digits", "--subset", 200, "--test-subset", 100),
    *("--recipe", "cpu", "--batch-size", 50, "--crop", 0, "--flip", "none", "--small-share", 0.0, "--tta", "none"),
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


def _remembered(monkeypatch):
    """The list in which every network will stand that is fitted from here on."""
    fitted, fit = [], prepare.fit

    def remembered(*arguments, **options):
        fitted.append(fit(*arguments, **options))
        return fitted[-1]

    monkeypatch.setattr(prepare, "fit", remembered)
    return fitted


def _judged(monkeypatch, accuracies):
    """Has every epoch judged to have the next of `accuracies` where there are validation images."""

    def scores(_, held):
        found = {"training_loss": 1.0, "training_accuracy": 0.5}
        return found if held is None else {**found, "validation_loss": 1.0, "validation_accuracy": next(accuracies)}

    monkeypatch.setattr(Trainer, "scores", scores)


@pytest.mark.parametrize("schedule", ["cosine", "triangular"])
def test_a_refit_is_the_recipe_that_was_judged_up_to_its_best_epoch(pipeline, monkeypatch, schedule):
    fitted = _remembered(monkeypatch)
    _judged(monkeypatch, iter([0.5, 0.9, 0.4, 0.3]))
    words = (*WORDS, "--epochs", 8, "--validation", "0.2", "--schedule", schedule, "--warmup", 0.25)
    assert pipeline("train", *words, "--patience", 2, "--learning-rate", 0.01, "--refit").status == 0
    steps = 200 // 50  # an epoch of the refit
    factor = rate_factor(schedule, total_steps=8 * steps, warmup=0.25)
    chosen, refit = (one.curves["learning_rate"] for one in fitted)
    assert len(chosen) == 4
    assert refit == pytest.approx([0.01 * factor(steps - 1), 0.01 * factor(2 * steps - 1)])
    assert refit == pytest.approx(chosen[:2], rel=0.05)  # an epoch has a step less there


def test_a_refit_takes_the_rates_that_validation_images_chose(pipeline, monkeypatch):
    fitted = _remembered(monkeypatch)
    _judged(monkeypatch, itertools.repeat(0.5))
    monkeypatch.setattr(history, "PLATEAU_EPOCHS", 2)
    words = (*WORDS, "--epochs", 6, "--validation", "0.2", "--schedule", "plateau", "--warmup", 0)
    assert pipeline("train", *words, "--learning-rate", 0.01, "--refit").status == 0
    chosen, refit = (one.curves["learning_rate"] for one in fitted)
    assert chosen == pytest.approx([0.01] * 3 + [0.001] * 2 + [0.0001])
    assert refit == chosen
