"""Training accuracy of networks: that of the kept weights on images as they are, whatever was done to the batches."""

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

import heads
from extract.data import digits
from extract.data.images import subset
from finetune.training import evaluate, history
from finetune.training.trainer import Trainer
from heads.neural.schedule import schedule as rate_factor
from pipelines.specs import NetworkSpec
from pipelines.tasks.table import answer_of
from pipelines.tasks.train import train
from pipelines.training import network_io, prepare
from pipelines.workspace import records
from pipelines.workspace.context import Context

TINY = {"dataset": "digits", "subset": 400, "test_subset": 100, "recipe": "cpu", "batch_size": 50, "tta": "none"}
RESNET = {"network": "resnet8", "width": 0.5, "small_share": 0.0}
CASES = {
    "mixup and crops": {**RESNET, "epochs": 3, "mixup": 1.0, "crop": 1, "flip": "random", "validation": "0.2"},
    "patience": {**RESNET, "epochs": 3, "cutmix": 1.0, "crop": 0, "patience": 1, "validation": "0.2"},
    "averaged weights": {**RESNET, "epochs": 2, "ema": 0.9, "crop": 0, "validation": "0.2"},
    "refitted": {**RESNET, "epochs": 2, "patience": 2, "crop": 1, "validation": "0.2", "refit": True},
    "dropout": {
        "network": "densenet",
        "depth": 10,
        "growth_rate": 4,
        "dropout": 0.5,
        "epochs": 2,
        "crop": 0,
        "validation": "0.2",
    },
    "no validation": {**RESNET, "epochs": 2, "crop": 0, "validation": "none"},
}


@pytest.mark.parametrize("case", CASES)
def test_recorded_training_accuracy_is_the_score_of_the_kept_network(case, tmp_path):
    spec = NetworkSpec.of(**TINY, **CASES[case])
    answer = answer_of(train(spec, Context(tmp_path)))
    record = records.read(tmp_path, answer["run"])
    images = subset(digits.load(), train=400, test=100, seed=0).splits["train"]
    rows, _ = heads.validation_split(images.labels, spec.validation_part(), seed=0)
    rows = rows[heads.training_sample(len(rows))]
    mean, std = (tuple(record.preprocessing[name]) for name in ("mean", "std"))
    network = network_io.network(tmp_path / "runs" / record.run)
    logits = evaluate.logits(network, torch.from_numpy(images.images.array[rows]), normalization=(mean, std))
    accuracy = float((logits.argmax(1).numpy() == images.labels[rows]).mean())
    assert record.training.rows == 200
    assert record.training.kept_accuracy == pytest.approx(accuracy, abs=0.005)
    curves, choice = record.curves, record.choice
    scored = curves["training_accuracy"][choice.kept_epoch - 1]
    assert scored == pytest.approx(record.training.accuracy, abs=1e-6)
    if not spec.refit:
        assert record.training.accuracy == record.training.kept_accuracy
    if "patience" in CASES[case]:
        assert choice.kept_by == "accuracy"
        assert curves["validation_accuracy"][choice.kept_epoch - 1] == max(curves["validation_accuracy"])
    else:
        assert (choice.kept_by, choice.kept_epoch) == ("last", spec.resolved_recipe().epochs)
    assert len(curves["running_training_accuracy"]) == len(curves["training_accuracy"])
    assert (record.validation is None) == (case == "no validation")


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
    """Has every epoch scored to have the next of `accuracies` where there are validation images."""

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
