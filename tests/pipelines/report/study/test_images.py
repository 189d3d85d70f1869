"""Images of the runs that a report shows."""

from pathlib import Path

import numpy as np
from PIL import Image

from extract.data import folder
from extract.data.digits import fingerprint
from extract.data.images import subset
from pipelines.report.build import ReportRequest, build
from pipelines.report.study.images import data_uri
from pipelines.training.scores import most_confident_errors
from pipelines.workspace import records
from tests.pipelines.fitting import UNTRAINED
from tests.pipelines.report.html import Page


def test_the_gallery_shows_the_very_images_that_were_scored(pipeline, tmp_path, rng):
    """A test subset that was drawn after a bad image was left out: drawn again from all, it would be another."""
    for name in ("one", "other"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02d}.png")
    whole = folder.read(tmp_path / "photos").images.splits["test"]
    whole.images.path(0).write_bytes(b"torn")
    words = (*UNTRAINED, "--image-size", "32", "--head", "centroid")
    words = (*words, "--dataset", tmp_path / "photos", "--on-bad-image", "skip", "--test-subset", "8")
    run = pipeline("fit-head", *words, "--json").json["run"]
    page = Page(Path(pipeline("report", "--images", tmp_path / "photos", "--json").json["path"]))
    workspace = tmp_path / "workspace"
    logits, labels = records.logits(workspace, run)
    ids = records.test_ids(workspace, run)
    assert set(ids) != set(
        subset(folder.read(tmp_path / "photos").images, train=None, test=8, seed=0).splits["test"].ids
    )
    wrong = [ids[row] for row, _, _ in most_confident_errors(logits, labels, count=12)]
    assert wrong
    shown = [a["data-thumbnail"] for tag, a in page.elements if tag == "img" and a.get("data-thumbnail")]
    assert [key.partition("/")[2] for key in shown] == wrong
    path = dict(zip(whole.ids, whole.images.paths(), strict=True))[wrong[0]]
    assert page.data("thumbnails")[shown[0]] == data_uri(Image.open(path))


def test_images_of_another_digest_are_not_shown(workspace, make, tmp_path):
    record, table = make.head("logistic", "resnet50", accuracy=0.8)
    make.put(workspace, (record, table))
    build(workspace, ReportRequest(tmp_path / "page.html"))
    assert len(Page(tmp_path / "page.html").data("thumbnails")) == 12
    make.put(workspace, ({**record, "dataset": {**record["dataset"], "digest": fingerprint()[::-1]}}, table))
    build(workspace, ReportRequest(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    assert page.data("thumbnails") == {}
    assert "not at hand" in "".join(page.text)
