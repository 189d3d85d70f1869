"""What a training leaves: scores and record."""

import json
from pathlib import Path

import numpy as np

import heads
from extract.data import digits
from extract.data.images import subset
from pipelines.workspace import records


def test_the_answer_has_what_the_design_promises_and_the_record_the_rest(trained):
    workspace, answer = trained
    promised = "network parameters flops epochs_run validation_accuracy test_accuracy test_interval train_seconds"
    assert set(promised.split()) | {"images_per_second", "path", "cached"} <= set(answer)
    assert answer["epochs_run"] == 2
    assert answer["validation_accuracy"] is None
    record = records.read(workspace, answer["run"])
    assert record.name == ("resnet8 width 0.5 from scratch (cpu, 2 epochs, batch size 50, crop 0, small share 0)")
    assert (record.mode, record.family, record.weights) == ("scratch", "resnet", "none")
    assert record.choice.validation_rows == 0
    assert record.choice.training_rows == 200
    assert record.choice.drawn == ["initial weights", "order and augmentation of the images"]
    assert len(record.curves["training_loss"]) == 2
    lines = (Path(answer["path"]) / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["training_loss"] for line in lines] == record.curves["training_loss"]
    assert not (workspace / "checkpoints" / answer["run"]).exists()


def test_the_kept_logits_are_the_score_and_come_from_the_test_split_in_file_order(trained):
    workspace, answer = trained
    logits, labels = records.logits(workspace, answer["run"])
    test = subset(digits.load(), train=None, test=100, seed=0).splits["test"]
    assert np.array_equal(labels, test.labels)
    assert heads.scores(logits, labels).accuracy == answer["test_accuracy"]


def test_parameters_flops_and_bytes_are_those_of_a_hand_count(trained):
    _, answer = trained
    widths = [(3, 8, 8), (8, 8, 8), (8, 8, 8), (8, 16, 4), (16, 16, 4), (16, 32, 2), (32, 32, 2)]  # in, out, side
    kernels = sum(9 * before * after for before, after, _ in widths)
    norms = sum(2 * after for _, after, _ in widths)
    assert answer["parameters"] == kernels + norms + 32 * 10 + 10
    assert answer["bytes"] == 4 * (answer["parameters"] + norms)  # as many means and variances as scales and shifts
    assert answer["flops"] == 2 * (sum(9 * before * after * side**2 for before, after, side in widths) + 32 * 10)
