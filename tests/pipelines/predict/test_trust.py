"""What a prediction says of itself: sets with a stated coverage, images unlike anything seen, and a page of it all."""

import csv
from pathlib import Path

import numpy as np
import pytest

from extract.data import digits
from pipelines.workspace import records
from tests.pipelines.fitting import TINY
from tests.pipelines.report.html import Page


@pytest.fixture
def fitted(pipeline):
    """The answer of a head on all digits, of which 144 are for validation."""
    return pipeline("fit-head", *TINY, "--c-grid", "0.01", "--json").json


def test_sets_and_the_unlike_score_go_by_the_validation_images(
    pipeline, fitted, digit_files, workspace, tmp_path, photographs
):
    photo = tmp_path / "temple.jpg"
    photographs[0].save(photo)
    table, page = tmp_path / "out.csv", tmp_path / "page.html"
    words = ("predict", "--run", fitted["run"], *digit_files[:120], photo, "--coverage", 0.9)
    shown = pipeline(*words, "--csv", table, "--report", page, "--json").json
    assert shown["calibrated"] is True
    digit, temple = shown["images"][:120], shown["images"][120]
    assert temple["unlike"] is True
    assert temple["farther_than"] > 0.99
    assert np.mean([one["unlike"] for one in digit]) < 0.1
    labels = digits.load().splits["test"].labels[:120]
    covered = np.mean([str(label) in one["classes"] for label, one in zip(labels, digit, strict=True)])
    assert covered > 0.8
    kept = records.arrays(workspace, fitted["run"], records.VALIDATION_NAME, names=("logits", "labels"))
    assert len(kept["labels"]) == 144
    assert (kept["logits"].argmax(1) == kept["labels"]).mean() == pytest.approx(fitted["validation_accuracy"])
    own = records.arrays(workspace, fitted["run"], records.OUT_OF_FOLD_NAME, names=("calibrated",))["calibrated"]
    assert len(own) == len(digits.load().splits["train"].labels)
    assert all((one["top"][0]["probability"] >= np.quantile(own, 0.1)) == bool(one["classes"]) for one in digit)
    rows = list(csv.DictReader(table.open()))
    assert rows[120]["unlike"] == "true"
    assert rows[0]["classes"].split(" | ") == digit[0]["classes"]
    text = " ".join(Page(page).text)
    assert "temple.jpg" in text
    assert "unlike anything seen" in text
    assert len(Page(page).data("thumbnails")) > 121  # every image, and training images
    assert page.stat().st_size < 1_000_000  # no chart, so no Vega
    said = pipeline("predict", "--run", fitted["run"], digit_files[0], photo)
    assert "temple.jpg is unlike anything seen" in said.out
    assert f"{digit_files[0].name} is unlike" not in said.out
    pipeline("predict", "--run", fitted["run"], digit_files[0], "--coverage", 0.995, "--report", page)
    assert "99.5 % set" in " ".join(Page(page).text)  # 100 % would hold every class
    ended = pipeline("predict", "--run", fitted["run"], digit_files[0], "--coverage", 90)
    assert ended.status == 2
    assert "coverage must be a share between 0 and 1; got 90.0" in ended.err


def test_the_nearest_training_images_are_those_of_a_search_by_hand(pipeline, fitted, digit_files, workspace):
    from extract.features.store import FeatureFile
    from pipelines.predict import classify
    from pipelines.predict.nearest import nearest
    from pipelines.workspace.context import Context

    context = Context(workspace)
    one, record = classify.classifier(fitted["run"], context=context)
    features = one.outputs(digit_files[:3]).features
    train = FeatureFile(Path(fitted["features"])).read("train")
    table = train.features[0].astype(np.float64)

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    cosines = unit(features.astype(np.float64)) @ unit(table).T
    found = nearest(record, features, context, count=4)
    assert found is not None
    for row, near in enumerate(found):
        best = np.sort(cosines[row])[::-1][:4]
        assert [one.similarity for one in near] == pytest.approx(list(best), abs=1e-4)
        assert near[0].id == train.ids[int(cosines[row].argmax())]
    Path(fitted["features"]).unlink()
    assert nearest(record, features, context, count=4) is None


def test_a_run_without_validation_images_says_what_it_cannot(pipeline, digit_files, tmp_path):
    run = pipeline("fit-head", *TINY, "--subset", 300, "--c-grid", "0.01", "--validation", "none", "--json").json["run"]
    words = ("predict", "--run", run, digit_files[0])
    shown = pipeline(*words, "--json").json
    assert shown["calibrated"] is False
    assert "unlike" not in shown["images"][0]
    refused = pipeline(*words, "--coverage", 0.9)
    assert refused.status == 2
    assert "validation images' logits for --coverage" in refused.err
    for more, says in (
        (("--report", tmp_path / "page.txt"), ".html"),
        (("--report", tmp_path / "no" / "page.html"), "report must be"),
    ):
        ended = pipeline(*words, *more)
        assert ended.status == 2
        assert says in ended.err


def test_a_network_gives_sets_too(pipeline, digit_files):
    words = ("--network", "test_resnet", "--dataset", "digits", "--image-size", 16, "--epochs", 1, "--subset", 200)
    run = pipeline("train", *words, "--test-subset", 20, "--validation", 60, "--batch-size", 32, "--json").json["run"]
    shown = pipeline("predict", "--run", run, *digit_files[:2], "--coverage", 0.8, "--json").json
    assert all(one["classes"] for one in shown["images"])
