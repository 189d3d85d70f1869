"""The list of near-copies in CIFAR-10, against its pixels, and the data sets that it is used for."""

from pathlib import Path

import numpy as np

from extract.data import cifar, datasets
from extract.data.near_copies import near_copies, rows_without

IDS = tuple(f"test/{row:05d}" for row in range(10_000))
CLASSES = ("airplane", "cat")


def test_the_list_names_test_images_of_cifar10_each_with_another_image_that_stays():
    listed = near_copies()
    assert 325 < len(listed) < 650, "more than ciFAIR's, which looked for fewer kinds of copies"
    assert set(listed) < set(IDS)
    for name, other in listed.items():
        split, row = other.split("/")
        assert 0 <= int(row) < {"train": 50_000, "test": 10_000}[split]
        assert split == "train" or row < name.rpartition("/")[2], "of two test images the first is kept"


def test_listed_images_resemble_their_copies_as_no_other_images_do(cifar_dir):
    splits = cifar.load("cifar10", cifar.find("cifar10", cifar_dir)).splits
    images = {name: image for one in splits.values() for name, image in zip(one.ids, one.images.array, strict=True)}
    rng = np.random.default_rng(0)

    def correlation(one: str, other: str) -> float:
        left = images[one].astype(np.float32)
        sides = (images[other], images[other][:, :, ::-1])
        return max(np.corrcoef(left.ravel(), side.astype(np.float32).ravel())[0, 1] for side in sides)

    pairs = list(near_copies().items())
    copies = [correlation(*pair) for pair in pairs]
    same_class = {name: label for one in splits.values() for name, label in zip(one.ids, one.labels, strict=True)}
    assert np.mean([same_class[one] == same_class[other] for one, other in pairs]) > 0.97
    others = [correlation(one, f"train/{rng.integers(50_000):05d}") for one, _ in pairs]
    assert np.median(copies) > 0.85 > 0.4 > np.median(others)
    assert np.mean(np.array(copies) > 0.6) > 0.9


def test_the_list_is_used_for_cifar10_and_its_parts_alone():
    kept = len(IDS) - len(near_copies())
    for name in ("cifar10", "cifar10-15k", "minicifar"):
        rows = rows_without(IDS, dataset=name, digest=datasets.digest(name), classes=None)
        assert len(rows) == kept
        assert not {IDS[row] for row in rows} & set(near_copies())
    some = datasets.digest("cifar10", CLASSES)
    assert len(rows_without(IDS[5:9], dataset="cifar10", digest=some, classes=list(CLASSES))) <= 4
    assert rows_without(IDS, dataset="cifar10", digest=some, classes=None) is None
    assert rows_without(IDS, dataset="cifar100", digest=datasets.digest("cifar100"), classes=None) is None
    assert rows_without(IDS, dataset="digits", digest=datasets.digest("digits"), classes=None) is None
    assert rows_without(IDS, dataset="cifar10", digest="of a folder with that name", classes=None) is None
    assert rows_without(IDS, dataset=str(Path("photos")), digest="any", classes=None) is None
