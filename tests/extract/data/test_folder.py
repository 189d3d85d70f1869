"""A folder of class folders as a data set."""

import os
import shutil

import pytest
from PIL import Image

from extract.data import folder
from extract.errors import InvalidInputError


def test_a_folder_of_photographs_is_split_by_class(photo_folder):
    images = folder.read(photo_folder).images
    assert images.class_names == ("flower", "temple")
    assert len(images.splits["train"]) + len(images.splits["test"]) == 16
    assert set(images.splits["test"].labels.tolist()) == {0, 1}


def test_the_image_of_a_class_that_has_no_other_is_for_training_and_the_class_is_named(photo_folder):
    whole = folder.read(photo_folder).images.splits["test"].ids
    (photo_folder / "lonely").mkdir()
    Image.new("RGB", (9, 9)).save(photo_folder / "lonely" / "0.png")
    images = folder.read(photo_folder).images
    assert images.splits["test"].ids == whole  # nothing else moves
    assert "lonely/0.png" in images.splits["train"].ids
    assert any("1 class of too few images" in one and "(lonely)" in one for one in images.notices)
    for name in ("flower", "temple"):
        for path in sorted((photo_folder / name).iterdir())[1:]:
            path.unlink()
    with pytest.raises(InvalidInputError, match="a class must have at least two images"):
        folder.read(photo_folder)


def test_train_and_val_folders_are_the_splits(photo_folder, tmp_path):
    root = tmp_path / "split"
    shutil.copytree(photo_folder, root / "train")
    shutil.copytree(photo_folder, root / "val")
    images = folder.read(root).images
    assert len(images.splits["train"]) == len(images.splits["test"]) == 16
    assert images.splits["test"].ids[0].startswith("val/flower/")


def test_the_fingerprint_follows_content_not_time(photo_folder, tmp_path):
    before = folder.read(photo_folder).digest
    moved = tmp_path / "moved"
    shutil.copytree(photo_folder, moved)
    assert folder.read(moved).digest == before
    Image.new("RGB", (9, 9)).save(moved / "flower" / "0.jpg")
    assert folder.read(moved).digest != before


def test_test_classes_must_be_training_classes(photo_folder, tmp_path):
    root = tmp_path / "odd"
    shutil.copytree(photo_folder, root / "train")
    shutil.copytree(photo_folder, root / "test")
    (root / "test" / "temple").rename(root / "test" / "castle")
    with pytest.raises(InvalidInputError, match="must be among the training classes; got 'castle'"):
        folder.read(root)


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "testing"), ("train", "valid"), ("TRAIN", "Val")])
def test_split_folders_are_known_by_their_usual_names_in_any_case(names, photo_folder, tmp_path):
    root = tmp_path / "split"
    for name in names:
        shutil.copytree(photo_folder, root / name)
    images = folder.read(root).images
    assert images.class_names == ("flower", "temple")
    assert len(images.splits["train"]) == len(images.splits["test"]) == 16
    assert images.notices[0] == "32 images, 2 classes, 16 each"
    assert len(images.notices) == 2  # and that the test images are those of training


def test_hidden_folders_are_passed_over_at_any_depth(photo_folder):
    before, digest = folder.read(photo_folder).images, folder.read(photo_folder).digest
    for place in ("flower/.ipynb_checkpoints", "flower/more/__MACOSX", "__MACOSX"):
        (photo_folder / place).mkdir(parents=True)
        shutil.copy(photo_folder / "flower" / "0.jpg", photo_folder / place / "0.jpg")
    assert folder.read(photo_folder).images.splits["train"].ids == before.splits["train"].ids
    assert folder.read(photo_folder).digest == digest


def test_a_name_that_is_not_utf_8_is_refused(photo_folder):
    shutil.copy(photo_folder / "flower" / "0.jpg", os.fsencode(photo_folder / "flower") + b"/x\xff.jpg")
    with pytest.raises(InvalidInputError, match=r"valid UTF-8; got '.*x\\udcff.jpg'"):
        folder.read(photo_folder)
