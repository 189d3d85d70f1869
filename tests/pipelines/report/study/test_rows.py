"""What shares a row, which runs are chosen, and who is on the front."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from pipelines.report.details import shots
from pipelines.report.overview import comparison, provenance
from pipelines.report.overview.tradeoff import front
from pipelines.report.study.study import gather

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12)


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


def test_test_sets_of_one_name_are_told_apart_by_their_images_then_by_their_digests(workspace, make):
    for index, digest in enumerate(("a" * 64, "b" * 64)):
        record, table = make.head("logistic", "resnet50", accuracy=0.9, run=make.run_name(digest), seed=index)
        make.put(workspace, ({**record, "dataset": {**record["dataset"], "name": "photos", "digest": digest}}, table))
    titles = [one.title for one in gather(workspace, None).test_sets()]
    assert sorted(titles) == ["photos (360 test images, aaaaaa)", "photos (360 test images, bbbbbb)"]


def test_filters_and_names_choose_runs(tour, make):
    assert {one.mode for one in gather(tour, "mode=frozen").results} == {"frozen"}
    assert len(gather(tour, "mode=frozen,mode=finetuned").results) == 4
    assert [one.head for one in gather(tour, "architecture=tf_*,head=mlp").results] == ["mlp"]
    run = make.run_name("resnet18 fine-tuned 0")
    assert [one.run for one in gather(tour, run[:6]).results] == [run]
    for wrong, sentence in (("mod=frozen", "Nearest: mode"), ("zzz", "unknown run"), ("mode=other", "fits none of 8")):
        with pytest.raises(InvalidInputError, match=sentence):
            gather(tour, wrong)


@given(POINTS)
def test_the_front_holds_exactly_what_no_other_beats(points):
    kept = {points[index] for index in front(points)}
    for point in points:
        beaten = any(o[0] <= point[0] and o[1] >= point[1] and o != point for o in points)
        assert (point in kept) != beaten


def test_images_trained_on_and_for_validation_stand_in_the_table_and_with_the_run(workspace, make):
    counts = {"training_rows": 1437, "validation_rows": 144, "refitted": True}
    make.put(workspace, make.network("resnet20 refitted", "scratch", accuracy=0.9, choice=dict(counts)))
    make.put(
        workspace,
        make.network("resnet20", "scratch", accuracy=0.8, choice={**counts, "training_rows": 1293, "refitted": False}),
    )
    study = gather(workspace, None)
    table = comparison.table(study)
    at = [column.title for column in table.columns].index("Trained on")
    assert table.columns[at + 1].title == "Validation"
    assert [[cell.value for cell in line[at : at + 2]] for line in table.rows] == [[1437, 144], [1293, 144]]
    facts = [dict(fold.facts) for fold in provenance.section(study).blocks]
    assert [one["trained on"] for one in facts] == ["1,437 images", "1,293 images"]
    assert [one["validation"] for one in facts] == [
        "144 images, trained on as well once the choice was made",
        "144 images, not trained on",
    ]


def test_few_labels_of_any_seed_are_drawn_and_name_their_draws_and_seed(workspace, make):
    table = [
        {
            "labels_per_class": count,
            "accuracies": [0.5, 0.7],
            "mean": 0.6,
            "deviation": 0.1,
            "least": 0.5,
            "greatest": 0.7,
        }
        for count in (1, 5)
    ]
    for seed in range(3):
        record, logits = make.head("logistic", "resnet50", accuracy=0.7 + seed / 10, seed=seed)
        make.put(workspace, ({**record, **({"shots": table} if seed == 0 else {})}, logits))
    [figure] = shots.section(gather(workspace, None)).blocks
    assert figure.caption.startswith("Mean over 2 draws of the labelled images")
    assert "logistic on resnet50, seed 0" in str(figure.chart)
