"""A folder of images with a file of labels as a data set."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.data import folder
from extract.data.labels.columns import LabelFile
from extract.errors import InvalidInputError
from tests.extract.data.laid import lay

NAMES = [f"{place}/{number}.jpg" for place in ("day1", "day2") for number in range(6)]


@pytest.fixture
def photos(tmp_path):
    """Twelve images in two folders that are no classes."""
    return lay(tmp_path / "photos", *NAMES)


def read(root, text, *columns, name="labels.csv"):
    """The data set of `root` by a file of labels with this text."""
    (root.parent / name).write_text(text, encoding="utf-8")
    return folder.read(root, labels=LabelFile(str(root.parent / name), columns))


def lines(*rows, header="path,label"):
    return "\n".join([header, *rows])


def test_a_file_says_classes_splits_and_groups(photos):
    rows = [f"{name},{at % 3},{'test' if at > 8 else 'train'},p{at // 3}" for at, name in enumerate(NAMES)]
    images = read(photos, lines(*rows, header="image,label,split,patient")).images
    train, test = images.splits["train"], images.splits["test"]
    assert (images.name, images.class_names) == ("photos by labels.csv", ("0", "1", "2"))
    assert (len(train), len(test)) == (9, 3)
    assert {one: int(label) for one, label in zip(train.ids, train.labels, strict=True)} == {
        name: at % 3 for at, name in enumerate(NAMES[:9])
    }
    assert not set(train.groups) & set(test.groups)
    said = "path from 'image', label from 'label', split from 'split', group from 'patient'"
    assert f"labels.csv: {said}" in images.notices
    assert images.notices[-1] == "4 groups, each in one split only"


def test_a_group_is_one_whether_it_is_written_1_or_1_0(photos):
    rows = [f"{name},{at % 2},{at // 4}{'.0' * (at % 2)}" for at, name in enumerate(NAMES)]
    images = read(photos, lines(*rows, header="path,label,group")).images
    assert images.notices[-1] == "3 groups, each in one split only"


def test_numbers_are_classes_in_the_order_of_their_values(photos):
    images = read(photos, lines(*(f"{name},{10 if at % 2 else 9}" for at, name in enumerate(NAMES)))).images
    assert images.class_names == ("9", "10")


@pytest.mark.parametrize(
    ("written", "same"),
    [
        (("1", "01", "+1"), "3 classes ('+1', '01', '1')"),
        (("1.0", "2.5", "1.00"), "2 classes ('1.0', '1.00')"),
        (("12345678901234567890", "12345678901234567891", "-1"), ""),
    ],
)
def test_classes_that_are_one_number_written_in_several_ways_are_told(photos, written, same):
    images = read(photos, lines(*(f"{name},{written[at % 3]}" for at, name in enumerate(NAMES)))).images
    why = " whose names differ only by case, spaces or how a number is written"
    assert [one.replace(why, "") for one in images.notices if why in one] == [same] * bool(same)


def test_images_are_found_by_what_is_unique_of_their_paths(photos):
    lay(photos, "day2/only.png", "day2/unused.png")
    rows = ["day1/0,a", "day1\\1.jpg,b", f"{photos.absolute() / 'day1/2.jpg'},a", "./day2/../day1/3.jpg,b", "only,a"]
    images = read(photos, lines(*rows, "day2/5.jpg,b")).images
    assert {one for split in images.splits.values() for one in split.ids} == {
        *(f"day1/{number}.jpg" for number in range(4)),
        "day2/only.png",
        "day2/5.jpg",
    }
    assert "8 images without a label left out (day1/4.jpg, day1/5.jpg, day2/0.jpg, ...)" in images.notices


def test_names_that_begin_with_a_blank_or_hold_a_backslash_are_found(tmp_path):
    names = [" cat /1.jpg", " cat /2.jpg", "dog/1.jpg", "dog/a\\2.jpg"]
    root = lay(tmp_path / "photos", *names)
    images = read(root, lines(*(f"{name},{name[:4]}" for name in names))).images
    assert images.class_names == ("cat", "dog/")
    assert sorted(one for split in images.splits.values() for one in split.ids) == sorted(names)


def test_absolute_paths_may_name_the_folder_in_other_ways(photos, tmp_path, monkeypatch):
    linked = tmp_path / "linked"
    linked.symlink_to(photos, target_is_directory=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ways = [linked, Path(os.path.relpath(photos)), photos]
    for root in ways:
        for other in {root.absolute(), Path(os.path.abspath(root)), Path(os.path.realpath(root))}:
            images = read(root, lines(*(f"{other / name},{'ab'[at % 2]}" for at, name in enumerate(NAMES)))).images
            assert images.image_count == len(NAMES), (root, other)


def test_metadata_of_hugging_face_lies_in_the_split_folders(tmp_path):
    root = lay(tmp_path / "D", *(f"{split}/{at}.jpg" for split in ("train", "validation") for at in range(4)))
    for split in ("train", "validation"):
        rows = [f'{{"file_name": "{at}.jpg", "label": "{"ab"[at % 2]}"}}' for at in range(4)]
        (root / split / "metadata.jsonl").write_text("\n".join(rows))
    images = folder.read(root, labels=LabelFile("metadata.jsonl")).images
    assert images.splits["train"].ids == ("train/0.jpg", "train/2.jpg", "train/1.jpg", "train/3.jpg")
    assert images.splits["test"].ids == tuple(f"validation/{at}.jpg" for at in (0, 2, 1, 3))


def test_the_digest_follows_labels_splits_and_groups_not_the_order_of_rows(photos):
    rows = [f"{name},{'ab'[at % 2]},p{at // 2}" for at, name in enumerate(NAMES)]
    header = "path,label,group"
    first = read(photos, lines(*rows, header=header)).digest
    assert read(photos, lines(*reversed(rows), header=header)).digest == first
    others = [
        lines(*rows[1:], header=header),
        lines(rows[0].replace(",a,", ",b,"), *rows[1:], header=header),
        lines(*rows[:-1], rows[-1].replace("p5", "p0"), header=header),
        lines(*(f"{row},{'test' if at > 7 else 'train'}" for at, row in enumerate(rows)), header=f"{header},split"),
    ]
    assert len({first, *(read(photos, text).digest for text in others)}) == 5


def test_validation_images_beside_train_and_test_are_left_out(photos):
    rows = [f"{name},{'ab'[at % 2]},{('train', 'val', 'test')[at // 4]}" for at, name in enumerate(NAMES)]
    images = read(photos, lines(*rows, header="path,label,split")).images
    assert [len(split) for split in images.splits.values()] == [4, 4]
    assert "4 validation images beside train and test left out" in images.notices


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=12, max_size=12))
def test_no_group_is_in_training_and_test(photos, rows):
    text = lines(*(f"{name},c{k},g{g}" for name, (k, g) in zip(NAMES, rows, strict=True)), header="path,label,group")
    try:
        splits = read(photos, text).images.splits
    except InvalidInputError as error:
        assert any(part in str(error) for part in ("two images", "two classes", "of another group"))  # noqa: PT017
        return
    assert not np.intersect1d(splits["train"].groups, splits["test"].groups).size
    assert set(splits["test"].labels) <= set(splits["train"].labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (["day1/0.jpg,a", "gone.jpg,b", "away.jpg,b"], "image must exist; got 'gone.jpg' on line 3 of .* (and 1 more)"),
        (["../labels.csv,a"], "image must lie in the folder of the data set; got '../labels.csv' on line 2"),
        (["0.jpg,a"], "image must exist; got '0.jpg' on line 2"),
        (["day1/0.jpg,a", "./day1/0.jpg,b"], "images must stand in one row each; got one twice, on lines 2 and 3 of"),
        (["day1/0.jpg,a", "day1/1.jpg, "], "label must be given; got '' on line 3 of labels.csv. Fill it in"),
        (
            ["day1/0.jpg,1", "day1/1.jpg,2", "day1/2.jpg,cat"],
            "all of one kind; got 'cat' on line 4 of labels.csv. Most",
        ),
        (["day1/0.jpg,1", "day1/1.jpg,2.0", "day1/2.jpg,3"], "all of one kind; got '2.0' on line 3"),
        (["day1/0.jpg,a", "day1/1.jpg,a"], "at least two classes; got 'a' alone"),
        (["day1/0.jpg,a", "day1/1.jpg,b"], "at least two images to be split .*; got one of each"),
    ],
)
def test_rows_that_cannot_be_are_refused_with_their_line(photos, text, message):
    with pytest.raises(InvalidInputError, match=message.replace("(", r"\(").replace(" 1 more)", r" 1 more\)")):
        read(photos, lines(*text))


@pytest.mark.parametrize(
    ("header", "text", "message"),
    [
        ("path,label,split", ["day1/0.jpg,a,train", "day1/1.jpg,b,fold3"], "split must be .*; got 'fold3' on line 3"),
        ("path,label,split", ["day1/0.jpg,a,train", "day1/1.jpg,b,"], "split must be given; got '' on line 3"),
        ("path,label,split", ["day1/0.jpg,a,test", "day1/1.jpg,b,test"], "images to train on; got 2 rows, none"),
        (
            "path,label,group",
            ["day1/0.jpg,a,p", "day1/1.jpg,b,"],
            "group must be given; got '' on line 3 .* group=none",
        ),
        (
            "path,label,split,group",
            ["day1/0.jpg,a,train,p", "day1/1.jpg,b,train,q", "day1/2.jpg,a,test,q"],
            "groups must stand in one split each; got 'q' in train on line 3 .* and in test on line 4",
        ),
        (
            "path,label,split",
            ["day1/0.jpg,a,train", "day1/1.jpg,b,train", "day1/2.jpg,c,test"],
            "test classes must be among the training classes; got 'c' on line 4",
        ),
        (
            "path,label,group",
            [f"day1/{at}.jpg,{'ab'[at % 2]},{'pq'[at % 2]}" for at in range(6)],
            "test split must leave every class images of another group; got 2 groups of 2 classes",
        ),
    ],
)
def test_splits_and_groups_that_cannot_be_are_refused_with_their_line(photos, header, text, message):
    with pytest.raises(InvalidInputError, match=message):
        read(photos, lines(*text, header=header))


def test_a_file_that_is_nowhere_is_refused(photos):
    with pytest.raises(InvalidInputError, match=r"labels must be a file; got 'no\.csv', which is neither here nor in"):
        folder.read(photos, labels=LabelFile("no.csv"))
