"""Folders of images from command to command: renamed, remembered, told of, and what stands in answers and records."""

import io
import os

import pytest
from PIL import Image

from extract.errors import InvalidInputError
from pipelines.predict import pictures
from pipelines.workspace import cache, image_folders, records
from tests.pipelines.cli.inputs.case import BACKBONE, make_photos

FIT = ("fit-head", *BACKBONE, "--head", "centroid", "--json", "--dataset")


def test_a_renamed_folder_is_known_and_what_it_holds_is_told_every_time(pipeline, tmp_path):
    make_photos(tmp_path / "D", count=4)
    (tmp_path / "D" / "red" / "notes.txt").write_text("no image")
    first = pipeline(*FIT, tmp_path / "D")
    (tmp_path / "D").rename(tmp_path / "E")
    again = pipeline(*FIT, tmp_path / "E")
    told = ["8 images, 2 classes, 4 each", "skipped 1 non-image file (.txt: red/notes.txt)"]
    assert first.json["notices"] == again.json["notices"] == told
    assert (again.json["cached"], again.json["run"]) == (True, first.json["run"])
    assert all(sentence in again.err for sentence in told)
    record = records.read(tmp_path / "workspace", first.json["run"])
    assert record.notices == told
    assert str(tmp_path) not in (tmp_path / "workspace" / "runs" / record.run / "record.json").read_text()
    assert all(one.id.split("/")[0] == one.true != one.predicted for one in record.mistakes)
    roots = image_folders.roots(tmp_path / "workspace", record.dataset.digest)
    assert roots == [((tmp_path / "E").resolve(), None)]  # the other is no longer there
    assert (tmp_path / "workspace" / ".transfer-bench-workspace").is_file()


def test_a_damaged_memory_of_a_folder_counts_as_none(tmp_path):
    make_photos(tmp_path / "D", count=2)
    (tmp_path / "features").mkdir()
    image_folders.remember(tmp_path, tmp_path / "D", digest="0" * 64)
    (kept,) = (tmp_path / "contents").iterdir()
    assert image_folders.roots(tmp_path, "0" * 64) == [(tmp_path / "D", None)]
    kept.write_bytes(kept.read_bytes().replace(b"000", b"001", 1))
    assert image_folders.roots(tmp_path, "0" * 64) == []


def test_what_is_read_before_there_is_a_workspace_is_remembered_once_there_is_one(tmp_path):
    """By whatever command makes it, without a second look at the folder."""
    make_photos(tmp_path / "D", count=2)
    workspace = tmp_path / "new"
    image_folders.remember(workspace, tmp_path / "D", digest="0" * 64)
    assert not workspace.exists()
    cache.make_workspace(workspace)
    assert image_folders.roots(workspace, "0" * 64) == [(tmp_path / "D", None)]


def test_doctor_makes_no_workspace(pipeline, tmp_path):
    assert pipeline("doctor", "--json").status == 0
    assert not (tmp_path / "workspace").exists()


def test_an_image_through_the_pipe_of_standard_input_is_read_as_often_as_needed(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    read, write = os.pipe()
    os.write(write, buffer.getvalue())
    os.close(write)
    with pictures.listed([pictures.Path(f"/dev/fd/{read}")]) as found:
        assert [path.read_bytes() for path in found.paths * 2] == [buffer.getvalue()] * 2
        assert str(found.names[0]) == f"/dev/fd/{read}"
    os.close(read)


def test_a_pipe_that_nobody_writes_is_refused(tmp_path):
    os.mkfifo(tmp_path / "p.png")
    with (
        pytest.raises(InvalidInputError, match=r"image must be a file; got .*p\.png"),
        pictures.listed([tmp_path / "p.png"]),
    ):
        pass


def test_folders_to_classify_are_walked_as_data_sets_are(tmp_path):
    make_photos(tmp_path / "D", ("red",), count=2)
    make_photos(tmp_path / "D" / "@eaDir", ("red",), count=2)
    (tmp_path / "D" / "self").symlink_to(".")
    with pictures.listed([tmp_path / "D"]) as found:
        assert [path.name for path in found.paths] == ["00.png", "01.png"]
        assert "1 system file or folder (@eaDir), 1 folder that is read already (self)" in found.notices[0]
