"""Digests of files that are remembered: what is read again, and what is not."""

import os

import pytest

from extract.data import contents, folder


@pytest.fixture
def root(tmp_path):
    """Two classes of two files, which count as settled at once."""
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The files that are read."""
    read, real = [], contents._content
    monkeypatch.setattr(contents, "_content", lambda path: read.append(path.name) or real(path))
    monkeypatch.setattr(contents, "SETTLED_NS", -1)
    return read


def test_an_unchanged_file_is_read_once(root, reads):
    known = contents.Contents()
    first = folder.read(root, contents=known).digest
    assert len(reads) == 4
    assert folder.read(root, contents=known).digest == first
    assert len(reads) == 4


def test_a_file_that_changed_under_the_same_size_and_time_is_read_again(root, reads):
    known = contents.Contents()
    first = folder.read(root, contents=known).digest
    path, facts = root / "a" / "1.png", (root / "a" / "1.png").stat()
    path.write_bytes(b"A/1.png")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_size == facts.st_size
    assert folder.read(root, contents=known).digest != first
    assert reads[4:] == ["1.png"]


def test_a_file_that_has_just_changed_is_not_remembered(root):
    known = contents.Contents()
    folder.read(root, contents=known)
    assert known.known == {}


def test_a_file_that_cannot_be_read_is_not_remembered(root, reads, monkeypatch):
    monkeypatch.setattr(contents, "_content", lambda path: (contents.UNREADABLE, None))
    known = contents.Contents()
    folder.read(root, contents=known)
    assert known.known == {}


def test_long_reading_shows_progress(root, monkeypatch):
    monkeypatch.setattr(contents, "SILENT_SECONDS", -1.0)
    seen = []
    folder.read(root, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
