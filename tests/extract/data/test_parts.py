"""The parts of CIFAR-10 that a course defines, against its definitions written out anew."""

from pathlib import Path

import numpy as np
import pytest

from extract.data import datasets
from extract.data.parts import PARTS


@pytest.fixture(scope="module")
def loaded(cifar_dir):
    def load(name):
        return datasets.load(datasets.locate(name, cifar_dir, download_dir=Path("nowhere")))

    return {name: load(name) for name in ("cifar10", *PARTS)}


def test_minicifar_is_that_of_the_course_image_by_image(loaded):
    whole, part = loaded["cifar10"].splits, loaded["minicifar"].splits
    assert loaded["minicifar"].class_names == ("airplane", "automobile", "bird", "cat")
    places = np.random.RandomState(42).permutation(5000)[:1000].tolist()  # a choice without replacement
    expected = []
    for label in range(4):
        rows = [row for row, one in enumerate(whole["train"].labels.tolist()) if one == label]
        expected += [f"train/{rows[place]:05d}" for place in places]
    assert list(part["train"].ids) == expected
    assert sorted(part["test"].ids) == [
        f"test/{row:05d}" for row, one in enumerate(whole["test"].labels.tolist()) if one < 4
    ]
    for split, one in part.items():
        rows = [int(name.rpartition("/")[2]) for name in one.ids]
        assert np.array_equal(one.images.array, whole[split].images.array[rows])
        assert np.array_equal(one.labels, whole[split].labels[rows])


def test_cifar10_15k_is_that_of_the_course_image_by_image(loaded):
    whole, part = loaded["cifar10"].splits, loaded["cifar10-15k"].splits
    indices = list(range(50000))
    generator = np.random.RandomState(2147483647)
    for last in range(49999, 0, -1):  # Fisher and Yates' shuffle with the generator's masked draws
        mask = (1 << last.bit_length()) - 1
        place = last + 1
        while place > last:
            place = int(generator.randint(0, 2**32, dtype=np.uint32)) & mask
        indices[last], indices[place] = indices[place], indices[last]
    assert list(part["train"].ids) == [f"train/{row:05d}" for row in indices[:15000]]
    assert np.array_equal(part["train"].images.array, whole["train"].images.array[indices[:15000]])
    assert part["test"].ids == whole["test"].ids


def test_the_parts_counts_and_digests_are_their_own(loaded, cifar_dir):
    found = set()
    for name, images in loaded.items():
        facts = datasets.FACTS[name]
        counts = len(images.splits["train"]), len(images.splits["test"]), len(images.class_names)
        assert counts == (facts.train_count, facts.test_count, facts.n_classes)
        found.add(datasets.digest(name))
        assert datasets.locate(name, cifar_dir, download_dir=Path("nowhere")).digest == datasets.digest(name)
    assert len(found) == len(loaded)
