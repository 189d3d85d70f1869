"""Where a file can be written, asked beforehand."""

import errno
import os
import re
import tempfile
from pathlib import Path

import pytest

from extract.errors import InvalidInputError, StorageError
from pipelines.workspace import writable


def test_a_file_that_can_be_written_passes_and_nothing_is_left(tmp_path):
    writable.check("plot", tmp_path / "new.svg")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.svg").write_text("kept")
    writable.check("plot", tmp_path / "old.svg")
    assert (tmp_path / "old.svg").read_text() == "kept"


@pytest.mark.parametrize(
    ("place", "why"),
    [("nope/x.svg", "No such file"), ("", "Is a directory"), ("file/x.svg", "Not a directory"), ("/proc/x.svg", "")],
)
def test_a_place_that_cannot_be_written_is_refused_in_one_sentence(place, why, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=f"^plot must be a file that can be written; got .*{why}.*Name another"):
        writable.check("plot", tmp_path / place)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writable.check("csv file", tmp_path / "pipe")  # opened, it would wait for a reader


def test_a_file_that_is_replaced_needs_a_folder_that_can_be_written(tmp_path, monkeypatch):
    path = tmp_path / "old.onnx"
    path.touch()
    writable.check("output", path)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: (_ for _ in ()).throw(OSError(30, "Read-only")))
    with pytest.raises(InvalidInputError, match="Read-only"):
        writable.check("output", path)


def test_a_file_of_the_users_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match=r"table\.csv.*Free some space"):
        writable.write("csv file", path, "new")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
def test_a_pipe_stays_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writable.write("csv file", path, "a,b\n")
    assert os.read(reader, 100) == b"a,b\n"
    assert path.is_fifo()
    os.close(reader)


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs /dev/null")
def test_a_device_will_do_where_a_pipe_will_and_is_never_replaced():
    writable.check("csv file", Path("/dev/null"))
    with pytest.raises(InvalidInputError):
        writable.check("output", Path("/dev/null"), stream=False)


def test_a_place_below_a_file_is_said_to_be_no_folder(tmp_path):
    (file := tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match=re.escape(f"({os.strerror(errno.ENOTDIR)}). Name another.")):
        writable.folder("report", file, named=file / "x.html", remedy="Name another.")
