"""Which run is called the best, and what the page says of how it was chosen."""

import pytest

from pipelines.report.build import ReportRequest, build
from pipelines.report.study.study import gather


def scored(made, validation):
    """The made run with another validation accuracy, or with no validation images."""
    record, table = made
    scored = None if validation is None else {**record["validation"], "accuracy": validation}
    return {**record, "validation": scored}, table


@pytest.mark.parametrize(
    ("validations", "best", "rule"),
    [
        ((0.7, 0.9, 0.8), "resnet32", "best of 3 by validation accuracy"),
        ((None, 0.9, 0.8), "resnet20", "picked on the test images, best of 3"),
        ((None, None, None), "resnet20", "picked on the test images, best of 3"),
    ],
)
def test_the_best_is_chosen_by_validation_accuracy_or_it_says_that_it_was_not(workspace, make, validations, best, rule):
    for name, accuracy, validation in zip(
        ("resnet20", "resnet32", "resnet44"), (0.95, 0.9, 0.8), validations, strict=True
    ):
        make.put(workspace, scored(make.network(f"{name} from scratch", "scratch", accuracy=accuracy), validation))
    [test_set] = gather(workspace, None).test_sets()
    assert test_set.best().row.best.architecture == best
    assert test_set.best().rule == rule
    assert [pick.row.best.architecture for pick in test_set.best_of_modes()] == [best]
    page = workspace / "page.html"
    build(workspace, ReportRequest(page))
    text = page.read_text(encoding="utf-8")
    assert rule in text
    assert ("picked on the test images, best of" in text) == rule.startswith("picked")


def test_of_equal_validation_accuracies_the_lower_validation_loss_wins_and_no_test_accuracy(workspace, make):
    for name, accuracy, loss in (("resnet20", 0.95, 0.5), ("resnet32", 0.8, 0.4)):
        record, table = scored(make.network(f"{name} from scratch", "scratch", accuracy=accuracy), 0.9)
        make.put(workspace, ({**record, "validation": {**record["validation"], "log_loss": loss}}, table))
    assert gather(workspace, None).test_sets()[0].best().row.best.architecture == "resnet32"


@pytest.mark.parametrize(("validations", "seed"), [((0.8, 0.9, 0.7), 1), ((None, 0.9, 0.7), 0)])
def test_a_row_of_seeds_is_shown_by_its_best_on_validation_images_or_by_its_first_seed(
    workspace, make, validations, seed
):
    for number, validation in enumerate(validations):
        made = make.network("resnet20 from scratch", "scratch", accuracy=0.6 + number / 10, seed=number)
        make.put(workspace, scored(made, validation))
    [row] = gather(workspace, None).rows
    assert row.best.seed == seed


def test_the_only_run_of_a_mode_was_not_picked(workspace, make):
    make.put(workspace, scored(make.network("resnet20 from scratch", "scratch", accuracy=0.9), None))
    [pick] = gather(workspace, None).test_sets()[0].best_of_modes()
    assert (pick.rule, pick.tried) == ("", 1)
