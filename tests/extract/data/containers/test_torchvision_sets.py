"""Data sets that torchvision reads, from files laid as it lays them."""

import gzip
import hashlib

import numpy as np
import pytest

from extract.data import datasets
from extract.data.containers import torchvision_sets
from extract.errors import CorruptFileError, InvalidInputError

RNG = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the format of MNIST's files."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.fixture
def fashion(tmp_path):
    """FashionMNIST of 20 training and 10 test images."""
    images = RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    labels = np.arange(30, dtype=np.uint8) % 10
    files = torchvision_sets.SETS["fashion-mnist"].files
    for file, array in zip(files, (images[:20], labels[:20], images[20:], labels[20:]), strict=True):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(idx(array))
    return tmp_path, images, labels


def test_a_data_set_is_read_by_its_name_and_known_by_its_content(fashion):
    place, images, labels = fashion
    located = datasets.locate("fashion-mnist", place, download_dir=place / "none")
    found = datasets.load(located)
    assert found.class_names[9] == "Ankle boot"
    for split, rows in (("train", slice(0, 20)), ("test", slice(20, 30))):
        np.testing.assert_array_equal(found.splits[split].images.array[:, 1], images[rows])
        np.testing.assert_array_equal(found.splits[split].labels, labels[rows])
    test = place / torchvision_sets.SETS["fashion-mnist"].files[2]
    test.write_bytes(idx(images[:10]))
    assert datasets.locate("fashion-mnist", place, download_dir=place / "none").digest != located.digest
    test.write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match="fashion-mnist must be as it was published"):
        datasets.load(datasets.locate("fashion-mnist", place, download_dir=place / "none"))


def test_svhn_and_stl10_are_read_as_torchvision_reads_them(tmp_path, monkeypatch):
    from scipy.io import savemat
    from torchvision.datasets import STL10, SVHN

    images = RNG.integers(0, 256, (10, 3, 32, 32), dtype=np.uint8)
    parts = {}
    for split in ("train", "test"):
        path = tmp_path / f"{split}_32x32.mat"
        savemat(path, {"X": images.transpose(2, 3, 1, 0), "y": np.arange(1, 11, dtype=np.uint8)[:, None]})
        parts[split] = ["", path.name, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", parts)
    found = torchvision_sets.load("svhn", tmp_path).splits["test"]
    np.testing.assert_array_equal(found[0], images)
    assert found[1].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]  # the publisher's 10 is the digit 0
    monkeypatch.setattr(STL10, "_check_integrity", lambda self: True)
    large = RNG.integers(0, 256, (4, 3, 96, 96), dtype=np.uint8)
    for split in ("train", "test"):
        (tmp_path / "stl10_binary").mkdir(exist_ok=True)
        (tmp_path / "stl10_binary" / f"{split}_X.bin").write_bytes(large.transpose(0, 1, 3, 2).tobytes())
        (tmp_path / "stl10_binary" / f"{split}_y.bin").write_bytes(bytes([1, 2, 10, 3]))
    found = torchvision_sets.load("stl10", tmp_path).splits["train"]
    np.testing.assert_array_equal(found[0], large)
    assert found[1].tolist() == [0, 1, 9, 2]


def test_files_that_are_not_there_are_named_with_what_downloads_them(tmp_path):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b""))
    message = (
        r"must hold MNIST/raw/train-images-idx3-ubyte for mnist; .*torchvision\.datasets\.MNIST\(DIR, download=True\)"
    )
    with pytest.raises(InvalidInputError, match=message):
        datasets.locate("mnist", tmp_path, download_dir=tmp_path)
