"""The runs of a report: chosen, joined, told apart, and compared in pairs with the best one."""

import numpy as np
import pytest

from benchmarks import equal_runs
from extract.errors import InvalidInputError
from heads.statistics import paired, rows_interval
from pipelines.report.sections import comparison
from pipelines.report.slides.findings import conclusion
from pipelines.report.study.study import against_best, gather
from pipelines.workspace.records import LOGITS_NAME


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


def put(workspace, make, name, *, accuracy, validation=None, **changes):
    """Puts a network that was trained without validation images, or with this validation accuracy."""
    record, table = make.network(f"{name} from scratch", "scratch", accuracy=accuracy, **changes)
    scored = None if validation is None else {**record["validation"], "accuracy": validation}
    make.put(workspace, ({**record, "validation": scored}, table))


def test_rows_are_compared_over_all_their_seeds_and_have_an_interval_over_them(workspace, make):
    for seed, accuracy in enumerate((0.75, 0.8, 0.95)):
        put(workspace, make, "resnet20", accuracy=accuracy, seed=seed)
    put(workspace, make, "resnet32", accuracy=0.8, seed=7)
    study = gather(workspace, None)
    [test_set] = study.test_sets()
    best, family, [found] = against_best(study, test_set)
    assert family == 1
    assert found.paired.difference == pytest.approx(found.row.accuracy - best.row.accuracy)
    assert found.alone is None
    several = next(row for row in study.rows if len(row.results) == 3)
    assert several.interval == rows_interval(study.correct(several, like=several.best))
    own = [one.test.interval for one in several.results]
    assert several.interval[1] - several.interval[0] > np.mean([high - low for low, high in own])  # seeds differ much


@pytest.mark.parametrize("validation", [0.9, None])
def test_a_bar_excludes_zero_exactly_where_the_p_beside_it_is_below_5_percent(workspace, make, validation):
    for number, accuracy in enumerate((0.95, 0.94, 0.93, 0.92, 0.91, 0.9, 0.88, 0.8)):
        put(workspace, make, f"resnet{number}", accuracy=accuracy, validation=validation, seed=number)
    study = gather(workspace, None)
    _, family, found = against_best(study, study.test_sets()[0])
    assert family == (7 if validation else 28)
    assert len(found) == 7
    alone = [paired(one.alone[1], one.alone[0], 360) for one in found]
    for one, single in zip(found, alone, strict=True):
        excludes = one.paired.interval[0] > 0 or one.paired.interval[1] < 0
        assert excludes == (one.paired.p_value < 0.05)
        assert one.paired.p_value >= single.p_value
        assert one.paired.interval[0] <= single.interval[0] + 1e-9
    assert {excludes.paired.p_value < 0.05 for excludes in found} == {True, False}
    caption = comparison.paired_tests(study).figures()[0].caption
    assert f"Holm's correction for {family} comparisons" in caption
    assert ("picked on the test images, best of 8" in caption) == (validation is None)


@pytest.mark.parametrize("validated", [True, False])
def test_equal_runs_seldom_show_a_difference(validated):
    """A short version of `benchmarks.equal_runs`, whose results say how seldom."""
    assert equal_runs.false_share((1,) * 16, images=360, validated=validated, repetitions=40) <= 0.1
    assert equal_runs.false_share((5, 1), images=360, validated=validated, repetitions=60) <= 0.1


def test_what_was_scored_on_other_images_is_said_where_pairs_leave_it_out(workspace, make):
    for number, images in enumerate(("a" * 64, "a" * 64, "b" * 64)):
        record, table = make.network(f"resnet{number} from scratch", "scratch", accuracy=0.9 - number / 20)
        make.put(workspace, ({**record, "dataset": {**record["dataset"], "test_images": images}}, table))
    study = gather(workspace, None)
    [figure] = comparison.paired_tests(study).blocks
    left_out = next(row.number for row in study.rows if row.best.architecture == "resnet2")
    assert figure.caption.endswith(f"Not scored on the same test images, or without logits: #{left_out}.")


def test_the_interval_of_several_seeds_is_around_their_mean_though_the_logits_of_one_are_lost(workspace, make):
    for seed, accuracy in enumerate((0.6, 0.7, 0.64)):
        put(workspace, make, "resnet20", accuracy=accuracy, seed=seed)
    [complete] = gather(workspace, None).rows
    (workspace / "runs" / complete.results[0].run / LOGITS_NAME).unlink()
    [row] = gather(workspace, None).rows
    low, high = row.interval
    assert row.accuracy - low == pytest.approx(high - row.accuracy, rel=0.1)
    assert (low, high) == pytest.approx(complete.interval, abs=0.01)


def test_where_only_the_best_of_many_are_compared_the_page_and_the_talk_say_so(workspace, make):
    for number in range(18):
        put(workspace, make, f"vgg{number}", accuracy=0.6 + number / 50, validation=0.6 + number / 50)
    study = gather(workspace, None)
    [figure] = comparison.paired_tests(study).blocks
    assert figure.caption.endswith(" The 15 best of 17 others.")
    assert " of 15 others that were compared" in " ".join(conclusion(study, study.test_sets()[0]))


def test_a_test_set_of_chosen_classes_is_called_by_them(workspace, make):
    for classes in (["0", "1"], ["2", "3"]):
        record, table = make.head("logistic", "resnet50", accuracy=0.9, run=make.run_name(str(classes)))
        data = {**record["dataset"], "classes": classes, "digest": classes[0] * 64}
        make.put(workspace, ({**record, "dataset": data}, table))
    titles = [one.title for one in gather(workspace, None).test_sets()]
    assert sorted(titles) == ["digits, classes 0/1", "digits, classes 2/3"]
