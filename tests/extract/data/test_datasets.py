"""Data sets by name."""

import numpy as np
import pytest

from extract.data import datasets, digits, folder
from extract.errors import InvalidInputError


def test_digits_are_split_alike_every_time():
    first, second = digits.load(), digits.load()
    assert len(first.splits["train"]) == 1437
    assert len(first.splits["test"]) == 360
    assert first.splits["test"].ids == second.splits["test"].ids
    assert not set(first.splits["train"].ids) & set(first.splits["test"].ids)
    assert np.bincount(first.splits["test"].labels).min() >= 34


def test_what_is_no_data_set_is_refused(photo_folder, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(InvalidInputError, match="must hold class folders with images"):
        folder.read(tmp_path / "bare")
    with pytest.raises(InvalidInputError, match=r"unknown data set 'cifar11' \(no such folder; built in: cifar10, "):
        datasets.locate("cifar11", None, download_dir=tmp_path)
