"""Runs side by side: in pairs on the same test images, and in a table."""

import shutil
from pathlib import Path

import numpy as np
from msgspec import structs

from extract.data import digits
from extract.runtime.disk import file_sha256
from pipelines.workspace import records
from tests.pipelines.fitting import fit


def test_runs_on_other_test_images_are_refused(pipeline, photo_folder):
    whole = fit(pipeline, "--c-grid", "0.01")
    part = fit(pipeline, "--c-grid", "0.01", "--test-subset", 100)
    drawn = fit(pipeline, "--c-grid", "0.01", "--test-subset", 100, "--seed", 1)
    other = fit(pipeline, "--dataset", photo_folder, "--subset", 10, "--validation", "none", "--c-grid", "0.01")
    shutil.copy(next(photo_folder.rglob("*.*")), next(photo_folder.rglob("*.*")).with_stem("one-more"))
    changed = fit(pipeline, "--dataset", photo_folder, "--subset", 10, "--validation", "none", "--c-grid", "0.01")
    few = fit(pipeline, "--c-grid", "0.01", "--classes", "3,7", "--subset", 200)
    for first, second, why in [
        (whole, part, "test subset is None and 100"),
        (part, drawn, "seed is 0 and 1"),
        (whole, other, "the data sets are 'digits' and 'photos'"),
        (other, changed, "the images of 'photos' are others"),
        (whole, few, "only one of them has the classes 0, 1, 2, ..."),
    ]:
        ended = pipeline("compare", first["run"], second["run"])
        assert ended.status == 2
        assert why in ended.err
    assert pipeline("compare", whole["run"], "nothing").status == 2


def test_runs_are_never_paired_on_other_images_whatever_their_options_say(pipeline, tmp_path):
    """A file that was read on one day and not on the next leaves no trace but in the ids."""
    runs = [fit(pipeline, "--c-grid", C)["run"] for C in ("0.01", "0.02")]
    workspace = tmp_path / "workspace"
    assert records.test_ids(workspace, runs[0]) == digits.load().splits["test"].ids
    record = records.read(workspace, runs[1])
    others = records.images_digest(record.dataset.digest, records.test_ids(workspace, runs[1])[1:])
    dataset = structs.replace(record.dataset, test_images=others)
    records.write(workspace, structs.replace(record, dataset=dataset))
    ended = pipeline("compare", *runs)
    assert ended.status == 2
    assert "other files could be read" in ended.err
    page = pipeline("report", "--json").json["path"]
    assert 'id="differences"' not in Path(page).read_text(encoding="utf-8")


def test_labels_that_differ_are_refused_though_the_data_set_bears_the_same_digest(pipeline, tmp_path):
    runs = [fit(pipeline, "--c-grid", C)["run"] for C in ("0.01", "0.02")]
    workspace = tmp_path / "workspace"
    logits, labels = records.logits(workspace, runs[1])
    path = records.folder(workspace, runs[1]) / records.LOGITS_NAME
    records.keep_logits(path, logits, labels=np.roll(labels, 1), ids=records.test_ids(workspace, runs[1]))
    record = records.read(workspace, runs[1])
    files = {**record.files, path.name: file_sha256(path)}
    records.write(workspace, structs.replace(record, files=files))
    assert "the labels differ" in pipeline("compare", *runs).err
