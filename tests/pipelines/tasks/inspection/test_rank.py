"""`pipeline rank`: backbones by a probe on images that it did not learn, without a look at the test images."""

import pytest

from pipelines.workspace.parts.inspections import SHOWN_WORSE
from tests.pipelines.report.html import Page

WORDS = ("--dataset", "digits", "--weights", "untrained", "--image-size", 32, "--subset", 120)


def test_backbones_are_ranked_told_apart_or_not_and_reported(pipeline, tmp_path):
    ended = pipeline("rank", "--backbones", "test_resnet,test_vit2,test_resnet", *WORDS, "--json")
    assert ended.status == 0, ended.err
    found = ended.json
    first, second = found["backbones"]
    assert {first["backbone"], second["backbone"]} == {"test_resnet", "test_vit2"}
    assert first["accuracy"] >= second["accuracy"]
    assert (first["difference"], first["p_value"]) == (0, 1)
    assert second["difference"] == pytest.approx(second["accuracy"] - first["accuracy"])
    assert (found["rows"], found["images"]) == (120, 1797)
    cheap = min(found["backbones"], key=lambda one: one["flops"])
    shown = second["p_value"] < SHOWN_WORSE
    assert found["recommended"] == (first if shown else cheap)["backbone"]
    text = pipeline("rank", "--backbones", "test_resnet,test_vit2", *WORDS).out
    assert "recommended: " in text
    assert pipeline("report", "--output", tmp_path / "r.html").status == 0
    assert "ranking" in Page(tmp_path / "r.html").ids("section")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--backbones", "test_resnet"), "backbones must be at least two; got 1"),
        (("--backbones", "test_resnet,,test_vit"), "Leave none empty"),
        (("--backbones", "resnt50,resnet18"), "Nearest: resnet50"),
        ((), "--backbones must be given"),
    ],
)
def test_mistakes_end_in_one_sentence(pipeline, words, said):
    ended = pipeline("rank", *words, "--dataset", "digits")
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err


def test_a_bare_command_does_not_take_the_features_of_a_ranking_with_their_one_test_image(pipeline):
    made = pipeline("extract", "--backbone", "test_vit2", *WORDS, "--test-subset", 60, "--json").json["path"]
    assert pipeline("rank", "--backbones", "test_resnet,test_vit2", *WORDS).status == 0
    assert pipeline("fit-head", "--head", "centroid", "--json").json["features"] == made
