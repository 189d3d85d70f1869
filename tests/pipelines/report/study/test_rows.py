"""What shares a row, which run is called the best and how it was chosen, and who is on the front."""

import numpy as np
import pytest

from pipelines.report.build import ReportRequest, build
from pipelines.report.sections import comparison
from pipelines.report.study.study import gather


def test_seeds_share_a_row_with_mean_and_spread(workspace, make):
    for seed in range(3):
        make.put(workspace, make.network("resnet20 from scratch", "scratch", accuracy=0.8, seed=seed))
    make.put(workspace, make.network("resnet32 from scratch", "scratch", accuracy=0.8))
    study = gather(workspace, None)
    several = next(row for row in study.rows if row.best.architecture == "resnet20")
    accuracies = [one.test.accuracy for one in several.results]
    assert len(study.rows) == 2
    assert several.accuracy == pytest.approx(np.mean(accuracies))
    assert several.deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert several.interval[0] < several.accuracy < several.interval[1]


@pytest.mark.parametrize(
    ("drawn", "subset", "words"),
    [
        ([], None, "seeds vary the validation images only, so no standard deviation is shown"),
        (["initial weights"], None, "seeds vary initial weights and validation images"),
        ([], 100, "seeds vary training images and validation images"),
    ],
)
def test_what_seeds_vary_stands_beside_the_deviation(workspace, make, drawn, subset, words):
    for seed in range(2):
        record, table = make.head("logistic", "resnet50", accuracy=0.8, seed=seed)
        dataset = {**record["dataset"], "subset": subset, "seed": seed if subset else None}
        make.put(workspace, ({**record, "dataset": dataset, "choice": {**record["choice"], "drawn": drawn}}, table))
    study = gather(workspace, None)
    assert (study.rows[0].deviation is None) == ("no standard deviation" in words)
    assert words in comparison.table(study).caption


def test_another_option_or_subset_is_another_row(workspace, make):
    record, table = make.network("resnet20 from scratch", "scratch", accuracy=0.8)
    make.put(workspace, (record, table))
    for index, change in enumerate(
        ({"key": {**record["key"], "recipe": "long"}}, {"dataset": {**record["dataset"], "subset": 100}})
    ):
        make.put(workspace, ({**record, **change, "seed": 7, "run": make.run_name(str(index))}, table))
    assert len(gather(workspace, None).rows) == 3


def test_seeds_of_one_subset_share_a_row_beside_a_run_on_another_subset(workspace, make):
    for seed, drawn_by in ((0, 0), (1, 0), (2, 0), (1, 1)):
        record, table = make.head("logistic", "resnet50", accuracy=0.8, seed=seed)
        dataset = {**record["dataset"], "subset": 100, "seed": drawn_by}
        make.put(workspace, ({**record, "dataset": dataset, "run": make.run_name(f"{seed}{drawn_by}")}, table))
    found = {row.name: len(row.results) for row in gather(workspace, None).rows}
    assert found == {"logistic on resnet50, subset seed 0": 3, "logistic on resnet50, subset seed 1": 1}


def test_runs_with_one_seed_and_an_unrecorded_difference_stand_alone(workspace, make):
    record, table = make.network("resnet20 from scratch", "scratch", accuracy=0.8)
    make.put(workspace, (record, table))
    make.put(workspace, ({**record, "run": make.run_name("again")}, table))
    assert [len(row.results) for row in gather(workspace, None).rows] == [1, 1]


def test_rows_are_named_by_what_differs(workspace, make):
    for precision in ("float32", "bfloat16"):
        record, table = make.head("logistic", "resnet50", accuracy=0.9, run=make.run_name(precision))
        features = {"spec": {"precision": precision}, "digest": "0" * 64, "content": "0" * 64, "engine": "eager"}
        make.put(workspace, ({**record, "features": features}, table))
    assert {row.name for row in gather(workspace, None).rows} == {
        "logistic on resnet50, float32",
        "logistic on resnet50, bfloat16",
    }


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
