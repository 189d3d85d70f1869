"""CIFAR as it is published: read, checked, downloaded once."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from extract.data import cifar, datasets
from extract.errors import CorruptFileError


def test_cifar_10_is_read_as_published(cifar_dir):
    located = datasets.locate("cifar10", cifar_dir, download_dir=Path("nowhere"))
    images = datasets.load(located)
    train, test = images.splits["train"], images.splits["test"]
    assert images.class_names[0] == "airplane"
    assert images.class_names[9] == "truck"
    assert train.images.array.shape == (50000, 3, 32, 32)
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    mean = train.images.array.mean((0, 2, 3)) / 255
    assert mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)


def test_an_altered_cifar_file_is_refused(cifar_dir, tmp_path):
    copy = tmp_path / "cifar-10-batches-py"
    shutil.copytree(cifar_dir / "cifar-10-batches-py", copy)
    for path in copy.iterdir():
        path.chmod(0o644)
    content = bytearray((copy / "data_batch_3").read_bytes())
    content[1_000_000] ^= 1
    (copy / "data_batch_3").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"data_batch_3.* must have the official md5"):
        datasets.locate("cifar10", tmp_path, download_dir=tmp_path)


def test_cifar_100_layout_is_checked(tmp_path):
    (tmp_path / "cifar-100-python").mkdir()
    for name in ("meta", "train", "test"):
        (tmp_path / "cifar-100-python" / name).write_bytes(b"not it")
    with pytest.raises(CorruptFileError, match="official md5"):
        cifar.check("cifar100", cifar.find("cifar100", tmp_path))


class Downloaded:
    """In the place of torchvision's data set: unpacks the files one by one, counts how often, can be interrupted."""

    count = 0
    interrupted = False

    def __init__(self, root, download):
        type(self).count += 1
        place = Path(root) / "cifar-100-python"
        place.mkdir()
        (place / "meta").write_bytes(b"")
        if self.interrupted:
            raise KeyboardInterrupt
        for name in ("train", "test"):
            (place / name).write_bytes(b"")


def test_an_interrupted_download_leaves_nothing_and_the_next_one_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR100", Downloaded)
    monkeypatch.setattr(Downloaded, "interrupted", True)
    with pytest.raises(KeyboardInterrupt):
        cifar.download("cifar100", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
    monkeypatch.setattr(Downloaded, "interrupted", False)
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "meta").write_bytes(b"")  # an older version was killed here
    assert not cifar.is_in("cifar100", tmp_path)
    assert cifar.download("cifar100", tmp_path) == tmp_path / "cifar-100-python"
    assert cifar.is_in("cifar100", tmp_path)


def test_of_two_that_want_a_data_set_one_downloads_it(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR100", Downloaded)
    monkeypatch.setattr(Downloaded, "count", 0)
    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(lambda _: cifar.download("cifar100", tmp_path), range(4)))
    assert (places, Downloaded.count) == ({tmp_path / "cifar-100-python"}, 1)
