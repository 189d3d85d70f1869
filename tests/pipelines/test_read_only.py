"""Workspaces that nothing can be written into, and file systems without locks: what is cached still answers."""

import errno
import os
import tempfile

import pytest

from extract.runtime import disk, locks
from tests.pipelines.fitting import UNTRAINED

fcntl = pytest.importorskip("fcntl")

DATA = ("--dataset", "digits", "--image-size", "32", "--subset", "100", "--test-subset", "50")
BACKBONE = (*UNTRAINED, *DATA)
NETWORK = ("--network", "resnet8", "--width", "0.25", *DATA, "--epochs", "1", "--batch-size", "50")
COMMANDS = (
    ("extract", *BACKBONE),
    ("fit-head", *BACKBONE, "--head", "centroid"),
    ("fit-head", "--head", "centroid"),
    ("train", *NETWORK),
)


@pytest.fixture
def closed(monkeypatch, tmp_path):
    """Closes the workspace: what would write into it is refused, as a file system does that is mounted so."""

    def close():
        real_open, real_mkdir, real_utime = os.open, os.mkdir, os.utime

        def refuse(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

        def inside(path):
            return str(path).startswith(str(tmp_path / "workspace"))

        def opened(path, flags, *more, **named):
            if inside(path) and flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
                refuse(path)
            return real_open(path, flags, *more, **named)

        def made(path, *more, **named):
            return refuse(path) if inside(path) and not os.path.isdir(path) else real_mkdir(path, *more, **named)

        monkeypatch.setattr(os, "open", opened)

        def touched(path, *more, **named):
            return refuse(path) if inside(path) else real_utime(path, *more, **named)

        monkeypatch.setattr(os, "mkdir", made)
        monkeypatch.setattr(os, "utime", touched)
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir=None, **_: refuse(dir))
        monkeypatch.setattr(disk, "replacing", lambda path: refuse(path))

    return close


def test_cached_answers_need_no_writing_and_new_ones_are_refused_in_a_sentence(pipeline, closed):
    for words in COMMANDS:
        assert pipeline(*words).status == 0
    closed()
    for words in COMMANDS:
        ended = pipeline(*words, "--json")
        assert ended.status == 0, ended.err
        assert ended.json["cached"] is True
    ended = pipeline("extract", *BACKBONE, "--views", "flip")
    assert ended.status == 2
    assert ended.err.strip().startswith("error: workspace must be a directory that can be written")


STUDY = """
defaults: {dataset: digits, backbone: test_resnet, weights: untrained, image-size: 32, subset: 100, test-subset: 50}
jobs: [{command: fit-head, head: centroid}]
search: {head: knn, trials: 1, space: {neighbors: [1, 3]}}
"""


def test_a_search_that_cannot_be_written_takes_nothing_from_what_its_study_has(pipeline, closed, tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    assert pipeline("run", tmp_path / "study.yaml").status == 0
    closed()
    ended = pipeline("run", tmp_path / "study.yaml")
    assert ended.status == 2
    assert "1 job in" in ended.out
    assert "failed: search: " in ended.out
    assert "must be writable" in ended.out


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_without_locks_everything_works_and_it_is_said_once(pipeline, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "_said", [])
    ended = pipeline("fit-head", *BACKBONE, "--head", "centroid")
    assert ended.status == 0, ended.err
    assert ended.err.count("has no locks") == 1
    assert ".py:" not in ended.err
    again = pipeline("fit-head", *BACKBONE, "--head", "centroid", "--json")
    assert again.json["cached"] is True
