"""The runs of a report: chosen, joined, and told apart."""

import pytest

from extract.errors import InvalidInputError
from pipelines.report.study.study import gather


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
