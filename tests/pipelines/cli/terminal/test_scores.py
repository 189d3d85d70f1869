"""Scores of a run as lines: classes are told apart where they have very different numbers of test images."""

import numpy as np
import pytest

from heads.imbalance.by_class import balanced
from pipelines.cli.terminal.scores import by_class, scores


def answer(counts):
    """The scores of an answer whose classes have so many test images, a tenth of each called the next class."""
    confusion = np.zeros((len(counts), len(counts)), int)
    for k, count in enumerate(counts):
        confusion[k, k], confusion[k, (k + 1) % len(counts)] = count - count // 10, count // 10
    found = balanced(confusion)
    plain = {name: getattr(found, name) for name in ("balanced_accuracy", "macro_f1")}
    return {
        **{f"test_{name}": value for name, value in plain.items()},
        **{f"test_{name}_interval": getattr(found, f"{name}_interval") for name in plain},
        "by_class": [{"class": f"c{k}", **vars(one)} for k, one in enumerate(found.by_class)],
        "training_accuracy": 0.95,
        "validation_accuracy": 0.91,
        "test_accuracy": 0.9,
        "test_interval": (0.8, 0.95),
        "test_rows": sum(counts),
        "test_tta_accuracy": None,
        "temperature": None,
        "head": "logistic",
        "without_near_copies_accuracy": None,
        "without_near_copies_rows": None,
        "log_loss": 0.3,
        "calibration_error": 0.01,
        "calibration_limit": 0.02,
    }


def test_classes_of_very_different_sizes_are_told_apart():
    given = answer([100, 10, 40])
    lines = scores(given, views="")
    assert lines["balanced accuracy"].startswith(f"{100 * given['test_balanced_accuracy']:.2f} %  (95 % interval ")
    assert lines["macro F1"].startswith(f"{100 * given['test_macro_f1']:.2f} %")
    heading, first, *others = by_class(given)[1:]
    assert heading.split()[:3] == ["class", "test", "images"]
    assert first.split()[:3] == ["c0", "100", "90.0"]
    assert len(others) == 2


@pytest.mark.parametrize("given", [answer([30, 30, 40]), {**answer([100, 10]), "by_class": None}])
def test_of_classes_of_one_size_and_of_older_records_nothing_more_is_said(given):
    assert by_class(given) == []
    assert "macro F1" not in scores(given, views="")


def test_a_class_without_test_images_has_no_rates():
    given = answer([20, 40])
    names = [f"{rate}{part}" for rate in ("recall", "precision", "f1") for part in ("", "_interval")]
    given["by_class"].append({"class": "lonely", "rows": 0, **dict.fromkeys(names)})
    assert by_class(given)[-1].split()[:3] == ["lonely", "0", "none"]
