"""What a run's curves and accuracies are called, by the rule that the page states."""

from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.report.study.diagnosis import diagnose, points


def record(training: float, validation: float | None = None, *, choice: Any = None, **parts: Any) -> Any:
    """A record with as much as a diagnosis needs."""
    return SimpleNamespace(
        training=SimpleNamespace(accuracy=training),
        validation=None if validation is None else SimpleNamespace(accuracy=validation),
        choice=SimpleNamespace(**{"kept_epoch": None, "kept_by": None, **(choice or {})}),
        **{"head": None, "curves": {}, **parts},
    )


@pytest.mark.parametrize(
    ("training", "validation", "remark"),
    [
        (1.0, 0.958, "fine"),  # an mlp on digits
        (0.97, 0.735, "large gap"),  # a linear head on few images
        (0.95, 0.85, "large gap"),
        (0.949, 0.85, "fine"),
        (0.62, 0.60, "under-fitting"),
        (0.62, 0.64, "under-fitting"),
        (0.89, 0.70, "large gap"),
        (0.90, 0.89, "fine"),
        (0.8996, 0.88, "fine"),  # shown as 90.0
        (0.9996, 0.9, "large gap"),  # shown as 10.0
    ],
)
def test_gap_and_under_fitting_are_called_as_the_rule_says(training, validation, remark):
    assert diagnose(record(training, validation)).remark() == remark


def test_a_gap_of_nothing_has_no_sign():
    assert [points(gap) for gap in (-0.0001, 0.0, -0.0, 0.0004, 0.042)] == ["0.0", "0.0", "0.0", "0.0", "4.2"]
    assert points(-0.013) == "-1.3"


def test_over_fitting_begins_at_the_least_validation_loss_and_shuts_out_under_fitting(make):
    turning = diagnose(record(0.8, 0.79, curves=make.curves(20, gap=0.08, rise=1.5)))
    assert turning.overfits_from == 10
    assert turning.remark() == "over-fitting from epoch 10"
    assert diagnose(record(0.98, 0.9, curves=make.curves(20, gap=0.08))).overfits_from is None
    diverged = {"training_loss": (1.0, 0.9, None), "validation_loss": (1.0, 0.9, None)}
    assert diagnose(record(0.98, 0.9, curves=diverged)).overfits_from == 2
    both_risen = {"training_loss": (1.0, 0.9, 1.2), "validation_loss": (1.0, 0.9, 1.3)}
    assert diagnose(record(0.98, 0.9, curves=both_risen)).overfits_from is None


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ([0.5, 0.8, 0.85, 0.885, 0.894], "fine"),
        ([0.5, 0.8, 0.85, 0.87, 0.894], "not converged"),
        ([0.5, 0.894, None, None, 0.8], "fine"),  # not every epoch is evaluated
        ([0.89, 0.5], "fine"),
        ([0.9], "fine"),
        ([*(0.8 + 0.005 * step for step in range(20))], "fine"),  # the last two of 20 epochs: a point, no more
        ([*(0.7 + 0.01 * step for step in range(20))], "not converged"),
    ],
)
def test_a_training_that_still_climbs_has_not_converged(accuracies, verdict):
    curves = {"validation_accuracy": accuracies}
    assert diagnose(record(0.95, 0.894, curves=curves)).remark() == verdict
    low = diagnose(record(0.70, 0.69, curves=curves)).remark()
    assert low == ("under-fitting" if verdict == "fine" else "under-fitting, not converged")


def test_the_sentence_says_what_was_kept_why_and_how_far_apart_they_are():
    choice = {"kept_epoch": 4, "kept_by": "log_loss"}
    assert diagnose(record(0.97, 0.735, choice=choice)).sentence() == (
        "Kept: epoch 4, least validation loss. Gap 23.5 points (training 97.0 %, validation 73.5 %). Large gap."
    )
    choice = {"kept_epoch": 2, "kept_by": "last"}
    assert diagnose(record(0.97, choice=choice)).sentence() == (
        "Kept: epoch 2, the last. Training accuracy 97.0 %. No validation split, so no gap: --validation 0.1 makes one."
    )


def test_no_gap_is_stated_of_knn_whose_images_are_their_own_neighbors():
    one = diagnose(record(1.0, 0.88, head="knn"))
    assert (one.gap, one.remark()) == (None, "")
