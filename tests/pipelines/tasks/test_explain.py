"""Pictures of a trained network: made on the command line, kept, and shown by the report."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.report.page import render
from pipelines.report.sections import explained
from pipelines.report.study.study import gather
from pipelines.specs import NetworkSpec
from pipelines.tasks.explain import EXPLAINED, kept_pictures
from pipelines.tasks.table import answer_of
from pipelines.tasks.train import train
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.fitting import UNTRAINED
from tests.pipelines.training.small import TINY


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[Path, str]:
    """A workspace with one network of tiny size, and its run; pictures are made of it by the command."""
    from pipelines.cli import main

    workspace = tmp_path_factory.mktemp("drawn") / "workspace"
    spec = NetworkSpec.of(**{**TINY, "epochs": 4, "crop": 2})
    run = answer_of(train(spec, Context(workspace)))["run"]
    main(["explain", run[:6], "--workspace", str(workspace)])
    return workspace, run


def pixels(uri: str) -> np.ndarray:
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_the_pictures_are_of_the_run_s_own_images_and_answers(drawn):
    workspace, run = drawn
    kept, (logits, labels) = kept_pictures(workspace, run), records.logits(workspace, run)
    record = records.read(workspace, run)
    assert [one["true"] == one["predicted"] for one in kept["right"]] == [True] * EXPLAINED
    for one, mistake in zip(kept["wrong"], record.mistakes, strict=False):
        assert record.class_names[one["true"]] == mistake.true
        assert record.class_names[one["predicted"]] == mistake.predicted
        assert one["probability"] == pytest.approx(mistake.probability, abs=1e-6)
        assert not np.array_equal(pixels(one["predicted_map"]), pixels(one["image"]))
    assert len(kept["augmented"]) == 16
    assert len({one["image"] for one in kept["augmented"]}) == 16
    assert len(kept["filters"]) == 8, "resnet8 at half its width begins with 8 filters"
    assert sorted(kept["labels"]) == sorted(labels.tolist()), "all 100 test images"
    assert [len(one["pca"]) for one in kept["stages"]] == [len(labels)] * 4
    nearest = [one["nearest"] for one in kept["stages"]]
    assert max(nearest) > 0.3, "by chance it is 0.1: digits of a class lie together, whatever the network"
    assert (logits.argmax(1) == labels).mean() == record.test.accuracy


def test_the_report_shows_them_and_writes_them_as_files(drawn, pipeline, tmp_path):
    workspace, _ = drawn
    made = pipeline("report", "--workspace", workspace, "--output", tmp_path / "r.html", "--json").json
    assert made["problems"] == []
    assert "What the network sees" in Path(made["path"]).read_text(encoding="utf-8")
    figures = explained.pictures(gather(workspace, None)).figures()
    paths, problems = render.write_figures(figures, tmp_path, progress=lambda *_: None)
    assert (len(paths), problems) == (10, [])
    for path in paths[1::2]:
        assert np.asarray(Image.open(path).convert("L")).std() > 10, "something is drawn"


def test_altered_pictures_are_left_out_and_named(drawn, tmp_path):
    workspace, run = drawn
    shutil.copytree(workspace, tmp_path / "workspace")
    path = tmp_path / "workspace" / "pictures" / f"{run}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "labels": []}))
    study = gather(tmp_path / "workspace", None)
    assert explained.pictures(study).blocks == []
    assert any(f"`pipeline explain {run}` makes them again" in one for one in study.problems)


def test_what_has_no_pictures_is_refused_in_one_sentence(drawn, pipeline, tmp_path):
    workspace, run = drawn
    shutil.copytree(workspace, tmp_path / "workspace")
    words = ("--dataset", "digits", *UNTRAINED, "--image-size", 32, "--subset", 100, "--test-subset", 50)
    head = pipeline("fit-head", *words, "--head", "centroid", "--json").json["run"]
    ended = pipeline("explain", head)
    assert ended.status == 2
    assert "run must be a trained network" in ended.err
    ended = pipeline("explain", "nothing")
    assert ended.status == 2
    assert run[:6] not in ended.out
