"""The walk through folders and what it makes of them: classes, splits, and everything that is passed over."""

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from extract.data import bad_images, folder
from extract.data.listing import listed
from extract.data.walk import MARK
from extract.errors import InvalidInputError
from tests.extract.data.laid import PLAIN, ids, lay, said

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Übung") for form in ("NFC", "NFD"))


def test_a_root_that_is_a_workspace_keeps_its_classes_and_leaves_its_own_folders(plain):
    lay(plain, "runs/a/figure.png", "features/x.png", MARK)
    assert ids(plain) == PLAIN
    assert "2 workspaces of this program (features, runs)" in said(plain)


def test_a_folder_that_may_not_be_read_is_named_and_a_whole_class_is_refused(plain, monkeypatch):
    lay(plain, "red/x/7.png")
    scandir, closed = os.scandir, [plain / "red" / "x"]

    def guarded(place):
        if Path(place) in closed:
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", guarded)
    assert ids(plain) == PLAIN
    assert "1 place that may not be read (red/x)" in said(plain)
    closed.append(plain / "red")
    with pytest.raises(InvalidInputError, match=r"class folder must be readable; got '.*red'"):
        listed(plain)
    closed.append(plain)
    with pytest.raises(InvalidInputError, match="must be readable"):
        listed(plain)


def test_a_class_may_be_called_train_when_it_holds_images(plain):
    lay(plain, "train/0.png", "train/1.png")
    assert listed(plain).class_names == ("blue", "red", "train")
    assert "train read as a class: it holds images and no class folders" in said(plain)


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("train/steam/0.png", "train/diesel/0.png"), "must hold either classes or splits; .* 'train' with class"),
        (("test/0.png",), "'?test'? stands beside blue, red"),
        (("test/red/0.png", "test/blue/0.png"), "a training split of class folders"),
        (("val/0.png",), "a training split of class folders"),
    ],
)
def test_where_classes_and_splits_cannot_be_told_apart_nothing_is_guessed(plain, names, what):
    lay(plain, *names)
    with pytest.raises(InvalidInputError, match=what):
        listed(plain)


def test_a_test_folder_beside_a_training_folder_of_another_name_is_no_class(tmp_path):
    root = lay(tmp_path, "trn/red/0.png", "trn/blue/0.png", "test/red/0.png", "test/blue/0.png")
    with pytest.raises(InvalidInputError, match="Rename the training folder to train"):
        listed(root)


def test_unlabeled_test_images_and_further_folders_beside_splits_are_named(plain, tmp_path):
    root = tmp_path / "S"
    shutil.copytree(plain, root / "train")
    lay(root, "test/0.png")
    assert "test left out: no class folders inside" in said(root)
    assert "a fifth of train is the test split" in said(root)
    shutil.copytree(plain, root / "val")
    shutil.copytree(plain, root / "extra")
    assert set(listed(root).splits) == {"train", "test"}
    assert "extra, test beside train and val left out" in said(root)


def test_classes_in_sub_folders_only_and_without_test_images_are_named(tmp_path):
    root = lay(tmp_path, "train/a/x/0.png", "train/b/0.png", "train/c/0.png", "test/a/0.png", "test/b/0.png")
    assert "1 class folder with images in sub-folders only, which are not told apart (a)" in said(root)
    assert "1 class without test images (c)" in said(root)


def test_class_counts_are_said_and_uneven_ones_named(plain):
    assert listed(plain).notices == ("4 images, 2 classes, 2 each",)
    lay(plain, *(f"red/{number}.png" for number in range(2, 9)))
    assert listed(plain).notices == ("11 images, 2 classes, 2 to 9 each: imbalanced",)


def test_a_class_is_the_same_in_every_unicode_form_across_splits(tmp_path):
    names = [f"train/{COMPOSED}/0.png", "train/Zebra/0.png", f"test/{DECOMPOSED}/0.png", "test/Zebra/0.png"]
    listing = listed(lay(tmp_path, *names))
    assert listing.class_names == ("Zebra", COMPOSED)
    assert list(listing.splits["test"].sizes) == ["Zebra", COMPOSED]


def test_two_forms_of_a_name_in_one_split_are_one_class(tmp_path):
    root = lay(tmp_path, f"{COMPOSED}/0.png", f"{DECOMPOSED}/0.png", f"{DECOMPOSED}/1.png", "Zebra/0.png")
    listing = listed(root)
    assert listing.class_names == ("Zebra", COMPOSED)
    assert len(set(listing.ids())) == 4
    assert "1 class of two folders each, named alike in other Unicode forms" in said(root)


def test_the_digest_and_the_order_do_not_depend_on_the_unicode_form(tmp_path):
    found = []
    for form in ("NFC", "NFD"):
        root = tmp_path / form
        for name in ("Ähre/ö.png", "Ähre/p.png", "Blüte/ä.png", "Blüte/z.png"):
            path = root / unicodedata.normalize(form, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        found.append((ids(root), listed(root).class_names, folder.read(root).digest))
    assert found[0] == found[1]


def test_the_same_photograph_in_training_and_test_is_counted(tmp_path):
    root = lay(tmp_path, *(f"{split}/{name}/{n}.png" for split in ("train", "test") for name in "ab" for n in (0, 1)))
    shutil.copy(root / "train" / "a" / "0.png", root / "test" / "a" / "1.png")
    shutil.copy(root / "train" / "a" / "1.png", root / "train" / "b" / "1.png")
    notices = "\n".join(folder.read(root).images.notices)
    assert "1 of 4 test images are training images, by content (test/a/1.png is train/a/0.png)" in notices
    assert "1 image stands in more than one class, by content (train/b/1.png is train/a/1.png)" in notices


def test_notices_do_not_say_where_the_folder_lies(plain):
    lay(plain, "red/notes.txt", "lonely.png")
    assert str(plain.parent) not in said(plain)


def test_empty_files_are_refused_together(plain):
    for name in ("blue/0.png", "red/1.png"):
        (plain / name).write_bytes(b"")
    with pytest.raises(
        InvalidInputError, match=r"got 2 that are not: '.*blue/0.png' \(the file is empty\), '.*red/1.png'"
    ):
        bad_images.refuse_empty(folder.read(plain).empty)


def test_empty_files_of_classes_that_are_left_out_stop_nothing(tmp_path):
    root = lay(tmp_path / "D", *(f"{name}/{number}.png" for name in ("a", "b", "c") for number in range(6)))
    for name in ("a/3.png", "c/0.png"):
        (root / name).write_bytes(b"")
    found = folder.read(root)
    assert [path.name for path in found.empty] == ["3.png", "0.png"]
    assert [path.name for path in found.of_classes(("a", "b")).empty] == ["3.png"]
