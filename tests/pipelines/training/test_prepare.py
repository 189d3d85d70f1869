"""Training accuracy of networks: that of the kept weights on images as they are, whatever was done to the batches."""

import pytest
import torch

import heads
from extract.data import digits
from extract.data.images import subset
from finetune.training import evaluate
from pipelines.specs import NetworkSpec
from pipelines.tasks import stages
from pipelines.tasks.table import answer_of
from pipelines.training import network_io
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
    answer = answer_of(stages.train(spec, Context(tmp_path)))
    record = records.read(tmp_path, answer["run"])
    train = subset(digits.load(), train=400, test=100, seed=0).splits["train"]
    rows, _ = heads.validation_split(train.labels, spec.validation_part(), seed=0)
    rows = rows[heads.training_sample(len(rows))]
    mean, std = (tuple(record.preprocessing[name]) for name in ("mean", "std"))
    network = network_io.network(tmp_path / "runs" / record.run)
    logits = evaluate.logits(network, torch.from_numpy(train.images.array[rows]), normalization=(mean, std))
    accuracy = float((logits.argmax(1).numpy() == train.labels[rows]).mean())
    assert record.training.rows == 200
    assert record.training.kept_accuracy == pytest.approx(accuracy, abs=0.005)
    curves, choice = record.curves, record.choice
    judged = curves["training_accuracy"][choice.kept_epoch - 1]
    assert judged == pytest.approx(record.training.accuracy, abs=1e-6)
    if not spec.refit:
        assert record.training.accuracy == record.training.kept_accuracy
    if "patience" in CASES[case]:
        assert choice.kept_by == "accuracy"
        assert curves["validation_accuracy"][choice.kept_epoch - 1] == max(curves["validation_accuracy"])
    else:
        assert (choice.kept_by, choice.kept_epoch) == ("last", spec.whole_recipe().epochs)
    assert len(curves["running_training_accuracy"]) == len(curves["training_accuracy"])
    assert (record.validation is None) == (case == "no validation")
