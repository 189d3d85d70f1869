"""Arrays of images: every usual shape gives the same levels, and `.npz` files of the usual names the same data set."""

import numpy as np
import pytest

from extract.data import datasets
from extract.data.containers.arrays import levels, read_npz
from extract.errors import InvalidInputError

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (10, 3, 6, 8), dtype=np.uint8)
GRAY = COLOR[:, 0]


def test_every_shape_gives_the_same_levels():
    gray = np.repeat(GRAY[:, None], 3, axis=1)
    for images in (GRAY, GRAY[:, None], GRAY[..., None]):
        np.testing.assert_array_equal(levels(images), gray)
    for images in (COLOR, COLOR.transpose(0, 2, 3, 1)):
        np.testing.assert_array_equal(levels(images), COLOR)


@pytest.mark.parametrize("images", [GRAY / 255, GRAY[0], COLOR[:, :2], GRAY[:0], GRAY.astype(np.int64)])
def test_other_arrays_are_no_levels(images):
    with pytest.raises(InvalidInputError, match="images must"):
        levels(images)


@pytest.mark.parametrize(
    "names", ["{0}_images {0}_labels", "x_{0} y_{0}"], ids=["as MedMNIST names them", "as Keras names them"]
)
def test_usual_names_are_known(names, tmp_path):
    arrays = {}
    for split in ("train", "test"):
        image, label = names.format(split).split()
        arrays |= {image: COLOR.transpose(0, 2, 3, 1), label: np.arange(10)[:, None] % 2 + 3}
    np.savez(tmp_path / "d.npz", **arrays)
    found = read_npz(tmp_path / "d.npz")
    assert (found.class_names, list(found.splits)) == (("3", "4"), ["train", "test"])
    for images, labels in found.splits.values():
        np.testing.assert_array_equal(images, COLOR)
        np.testing.assert_array_equal(labels, np.arange(10) % 2)


def test_a_file_is_a_data_set_like_others_known_by_its_content(tmp_path):
    np.savez(tmp_path / "shapes.npz", images=COLOR, labels=np.arange(10) % 2, class_names=["round", "square"])
    located = datasets.locate(str(tmp_path / "shapes.npz"), None, download_dir=tmp_path)
    images = datasets.load(located)
    assert (images.name, images.class_names) == ("shapes.npz", ("round", "square"))
    train, test = images.splits["train"], images.splits["test"]
    assert (len(train), len(test)) == (8, 2)
    assert not set(train.ids) & set(test.ids)
    np.savez(tmp_path / "shapes.npz", images=COLOR[::-1], labels=np.arange(10) % 2)
    assert datasets.locate(str(tmp_path / "shapes.npz"), None, download_dir=tmp_path).digest != located.digest


def test_validation_images_are_the_test_split_where_there_is_no_other(tmp_path):
    pairs = {f"{split}_images": GRAY for split in ("train", "val", "test")}
    pairs |= {f"{split}_labels": np.array(list("ab") * 5) for split in ("train", "val", "test")}
    np.savez(tmp_path / "three.npz", **pairs)
    assert read_npz(tmp_path / "three.npz").notices == ("10 validation images beside train and test left out",)
    del pairs["test_images"], pairs["test_labels"]
    np.savez(tmp_path / "two.npz", **pairs)
    assert list(read_npz(tmp_path / "two.npz").splits) == ["train", "test"]


LABELS = np.arange(10) % 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": GRAY}, "must be called train_images and train_labels, .*; got pictures in d.npz"),
        ({"images": GRAY, "labels": LABELS[:9]}, r"labels must be .*; got int64 of shape \(9,\) for 10 images"),
        ({"images": GRAY, "labels": LABELS / 2}, "labels must be one whole number or text for each image; got float64"),
        (
            {"images": GRAY / 255, "labels": LABELS},
            r"images of train in d.npz must be uint8 .* or \[N, 3, H, W\]; got float64",
        ),
        ({"images": GRAY, "labels": np.array(list("ab") * 5, object)}, "must be readable without unpickling"),
        (
            {"x_train": GRAY, "y_train": LABELS, "x_test": GRAY, "y_test": LABELS + 1},
            "training classes; got 2 in d.npz",
        ),
        (
            {"x_train": GRAY, "y_train": LABELS, "x_test": np.repeat(GRAY, 2, axis=1), "y_test": LABELS},
            r"one size in all splits; got (\d+) x (\d+) in train and \d+ x \2 in test of d.npz",
        ),
        ({"images": GRAY, "labels": LABELS, "class_names": ["one"]}, "class_names must name every class by its number"),
        (
            {"images": GRAY, "labels": list("ab") * 5, "class_names": ["one", "two"]},
            r"class_names must name every class by its number from 0; got \(2,\) names for labels up to 'b' in d.npz",
        ),
    ],
)
def test_files_that_are_no_data_set_are_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(InvalidInputError, match=message):
        read_npz(tmp_path / "d.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "d.npz").write_bytes(b"no archive")
    with pytest.raises(InvalidInputError, match="must be readable without unpickling"):
        read_npz(tmp_path / "d.npz")
