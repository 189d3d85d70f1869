"""Classes chosen by name, number and superclass."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.data import cifar, datasets, digits
from extract.data.classes import ClassChoice
from extract.errors import InvalidInputError

DIGITS = digits.load()
FINE = ("apple", "bus", "cat", "dog", "elm")
COARSE = (0, 1, 2, 2, 0)
GROUPS = ("plants", "vehicles_1", "animals")


@given(labels=st.sets(st.integers(0, 9), min_size=2), leave_out=st.booleans())
def test_the_images_are_those_of_the_chosen_classes_alone_with_new_labels(labels, leave_out):
    words = ",".join(str(one) for one in (set(range(10)) - labels if leave_out else labels))
    choice = ClassChoice(excluded=words or None) if leave_out else ClassChoice(words)
    located = datasets.locate("digits", None, download_dir=Path("nowhere")).of_classes(choice)
    images = datasets.load(located)
    assert images.class_names == tuple(str(one) for one in sorted(labels))
    assert located.digest == datasets.digest("digits", None if len(labels) == 10 else images.class_names)
    for split, whole in DIGITS.splits.items():
        kept = [row for row, label in enumerate(whole.labels.tolist()) if label in labels]
        assert images.splits[split].ids == tuple(whole.ids[row] for row in kept)
        names = [images.class_names[label] for label in images.splits[split].labels.tolist()]
        assert names == [str(whole.labels[row]) for row in kept]


@pytest.fixture
def cifar_100(tmp_path, monkeypatch):
    """A CIFAR-100 of five classes in its own layout."""
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    rows = np.arange(10) % 5
    split = {
        "data": np.zeros((10, 3072), np.uint8), "fine_labels": rows.tolist(),
        "coarse_labels": [COARSE[row] for row in rows],
    }  # fmt: skip
    contents = {"train": split, "test": split, "meta": {"fine_label_names": FINE, "coarse_label_names": GROUPS}}
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()
    layout = replace(
        cifar.LAYOUTS["cifar100"],
        train={"train": sums["train"]}, test={"test": sums["test"]}, meta=("meta", sums["meta"]),
    )  # fmt: skip
    monkeypatch.setitem(cifar.LAYOUTS, "cifar100", layout)
    return datasets.locate("cifar100", tmp_path, download_dir=tmp_path)


def test_superclasses_stand_for_their_classes(cifar_100):
    chosen = cifar_100.of_classes(ClassChoice(excluded="superclass:vehicles_1, superclass:animals"))
    assert datasets.load(chosen).class_names == ("apple", "elm")
    with pytest.raises(InvalidInputError, match=r"unknown superclass 'vehicles_2'\. Nearest: vehicles_1"):
        cifar_100.of_classes(ClassChoice("superclass:vehicles_2"))


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        (ClassChoice("cat,dgo"), r"unknown class 'dgo' of --classes\. Nearest: dog"),
        (ClassChoice("0,5"), "unknown class '5' of --classes"),
        (ClassChoice("cat"), "at least two classes must be left to tell apart; got cat"),
        (ClassChoice("cat,dog", "dog"), "at least two classes must be left to tell apart; got cat"),
        (ClassChoice(excluded=""), "unknown class '' of --exclude-classes"),
    ],
)
def test_impossible_choices_are_refused(cifar_100, choice, why):
    with pytest.raises(InvalidInputError, match=why):
        cifar_100.of_classes(choice)


def test_superclasses_of_another_data_set_are_refused():
    located = datasets.locate("digits", None, download_dir=Path("nowhere"))
    with pytest.raises(InvalidInputError, match="only CIFAR-100's have superclasses; got 'superclass:odd'"):
        located.of_classes(ClassChoice("superclass:odd"))


def test_a_choice_that_leaves_a_split_without_images_is_refused(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "train/c/1.png", "test/c/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    located = datasets.locate(str(tmp_path), None, download_dir=tmp_path)
    with pytest.raises(InvalidInputError, match="images in every split; got none of a, b in test"):
        located.of_classes(ClassChoice("a,b"))
