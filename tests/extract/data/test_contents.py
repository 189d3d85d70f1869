"""Digests of files that are remembered: what is read again, and what is not."""

import os
from array import array

import pytest
from PIL import Image

from extract.data import contents, folder
from extract.data.walk import Images


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
    monkeypatch.setattr(contents, "_content", lambda path: read.append(os.path.basename(path)) or real(path))
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


def test_among_new_and_missing_names_the_others_are_still_known(root, reads):
    known = contents.Contents()
    folder.read(root, contents=known)
    (root / "a" / "0.png").unlink()
    (root / "a" / "00.png").write_bytes(b"another")
    (root / "b" / "ü.png").write_bytes(b"more")
    again = folder.read(root, contents=known)
    assert sorted(reads[4:]) == ["00.png", "ü.png"]
    assert again.digest == folder.read(root).digest
    assert known.known.names == ["a/00.png", "a/1.png", "b/0.png", "b/1.png", "b/ü.png"]


@pytest.mark.parametrize("damage", ["stamps", "digests", "names"])
def test_columns_of_other_lengths_say_nothing(damage):
    columns = {"names": ["a", "b"], "stamps": bytes(64), "digests": bytes(64)}
    assert len(contents.Known.of(**columns).rows(Images(["a", "b"], array("q", bytes(64))))) == 2
    assert contents.Known.of(**columns | {damage: columns[damage][:1]}).names == []


def test_what_is_usual_by_its_bytes_is_usual_by_its_header(tmp_path):
    images = {mode: Image.new(mode, (9, 9)) for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK")}
    frames = [Image.new("RGB", (9, 9), color) for color in ("red", "blue")]
    for mode, image in images.items():
        if mode != "CMYK":
            image.save(tmp_path / f"{mode}.png")
        if mode in ("RGB", "L", "CMYK"):
            image.save(tmp_path / f"{mode}.jpg")
    images["P"].save(tmp_path / "clear.png", transparency=0)
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "two.jpg", "MPO", save_all=True, append_images=frames[1:])
    found = {path.name: contents._content(str(path))[1] for path in tmp_path.iterdir()}
    assert found == {path.name: contents.unusual(path) for path in tmp_path.iterdir()}
    odd = {name for name, one in found.items() if one is not None}
    assert odd == {"RGBA.png", "LA.png", "clear.png", "moving.png", "two.jpg"}


def test_a_large_file_is_hashed_as_it_is_read(tmp_path, monkeypatch):
    Image.new("RGBA", (9, 9)).save(tmp_path / "one.png")
    whole = contents._content(str(tmp_path / "one.png"))
    monkeypatch.setattr(contents, "WHOLE_BYTES", 8)
    assert contents._content(str(tmp_path / "one.png")) == whole


def test_a_file_that_has_just_changed_is_not_remembered(root):
    known = contents.Contents()
    folder.read(root, contents=known)
    assert known.known.names == []


def test_a_file_that_cannot_be_read_is_not_remembered(root, reads, monkeypatch):
    monkeypatch.setattr(contents, "_content", lambda path: (contents.UNREADABLE, None))
    known = contents.Contents()
    folder.read(root, contents=known)
    assert known.known.names == []


def test_long_reading_shows_progress(root, monkeypatch):
    monkeypatch.setattr(contents, "SILENT_SECONDS", -1.0)
    seen = []
    folder.read(root, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
