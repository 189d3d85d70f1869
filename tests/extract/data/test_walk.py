"""Walking a folder of images: links, hidden files, and what is no image."""

import os
import socket

import pytest

from extract.data import folder
from extract.data.listing import listed
from extract.data.walk import MARK
from tests.extract.data.laid import PLAIN, ids, lay, said


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("red/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "1 system file or folder (red/@eaDir)"),
        ("@eaDir/x.png", "1 system file or folder (@eaDir)"),
        ("#recycle/x/y.png", "1 system file or folder (#recycle)"),
        ("$RECYCLE.BIN/x.png", "1 system file or folder ($RECYCLE.BIN)"),
        ("lost+found/x.png", "1 system file or folder (lost+found)"),
        ("red/__MACOSX/x.png", "1 system file or folder (red/__MACOSX)"),
        ("red/Thumbs.db", "1 system file or folder (red/Thumbs.db)"),
        (".Trashes/x.png", "1 hidden file or folder (.Trashes)"),
        ("red/.DS_Store", "1 hidden file or folder (red/.DS_Store)"),
        ("red/._0.png", "1 hidden file or folder (red/._0.png)"),
        ("red/notes.txt", "1 non-image file (.txt: red/notes.txt)"),
        ("lonely.png", "1 image outside class folders (lonely.png)"),
        ("docs/readme.md", "1 folder without images (docs)"),
        ("workspace/report/a.png", "1 workspace of this program (workspace)"),
    ],
)
def test_what_is_no_image_of_a_class_is_passed_over_and_named(plain, name, what):
    lay(plain, name)
    if name.startswith("workspace"):
        (plain / "workspace" / MARK).touch()
    assert ids(plain) == PLAIN
    assert what in said(plain)


def test_empty_folders_are_named_and_change_nothing(plain):
    before = folder.read(plain).digest
    (plain / "void").mkdir()
    (plain / "red" / "void").mkdir()
    assert (ids(plain), folder.read(plain).digest) == (PLAIN, before)
    assert "1 folder without images (void)" in said(plain)


def test_links_are_followed_once_by_the_real_folder(plain, tmp_path):
    lay(tmp_path / "elsewhere", "9.png", "more/8.png")
    (plain / "self").symlink_to(".")
    (plain / "up").symlink_to("..")
    (plain / "again").symlink_to("red")
    (plain / "blue" / "round").symlink_to("..")
    (plain / "green").symlink_to(tmp_path / "elsewhere")
    (plain / "red" / "inner").symlink_to(tmp_path / "elsewhere" / "more")
    (plain / "red" / "gone.png").symlink_to("nowhere.png")
    (plain / "red" / "loop.png").symlink_to("loop.png")
    (plain / "red" / "2.png").symlink_to(tmp_path / "elsewhere" / "9.png")
    assert ids(plain) == [*PLAIN[:2], "green/9.png", "green/more/8.png", "red/0.png", "red/1.png", "red/2.png"]
    assert "5 folders that are read already (again, blue/round, red/inner, ...)" in said(plain)
    assert "2 broken links (red/gone.png, red/loop.png)" in said(plain)


def test_deep_folders_resolve_no_path_twice(plain, monkeypatch):
    lay(plain, f"red/{'/'.join('d' * 50)}/0.png")
    asked = []
    real = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path, **how: asked.append(path) or real(path, **how))
    assert len(listed(plain).ids()) == 5
    assert len(asked) < 10


def test_pipes_and_sockets_are_named_and_never_opened(plain):
    os.mkfifo(plain / "red" / "p.png")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(plain / "red" / "s.png"))
        assert ids(plain) == PLAIN
        assert "2 pipes or devices (red/p.png, red/s.png)" in said(plain)
        folder.read(plain)
