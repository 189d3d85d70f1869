"""Published sets of photographs as torchvision unpacks them: its images, labels and splits."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from extract.data import datasets
from extract.errors import CorruptFileError, InvalidInputError


def photo(path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10 + level), (level, 0, 0)).save(path)


def read(name, place):
    return datasets.load(datasets.locate(name, place, download_dir=place / "own"))


def test_flowers_are_those_of_torchvision_with_its_validation_images_in_training(tmp_path):
    from torchvision.datasets import Flowers102

    folder = tmp_path / "flowers-102"
    for image in range(1, 13):
        photo(folder / "jpg" / f"image_{image:05d}.jpg", image)
    savemat(folder / "imagelabels.mat", {"labels": np.array([[1, 2, 10] * 4], np.uint8)})
    savemat(folder / "setid.mat", {"trnid": [[12, 2, 1]], "valid": [[4, 5, 3]], "tstid": [[9, 8, 7, 6]]})
    images = read("flowers102", tmp_path)
    assert (images.name, images.class_names) == ("flowers102", ("1", "2", "10"))
    for split, parts in (("train", ("train", "val")), ("test", ("test",))):
        theirs = [Flowers102.__new__(Flowers102) for _ in parts]
        for part, name in zip(theirs, parts, strict=True):
            part._check_integrity = lambda: True  # whose checksums are those of the whole data set
            part.__init__(tmp_path, split=name)
        expected = {
            path.name: int(images.class_names.index(str(label + 1)))
            for part in theirs
            for path, label in zip(part._image_files, part._labels, strict=True)
        }
        assert dict(zip(images.splits[split].ids, images.splits[split].labels, strict=True)) == expected
    (folder / "setid.mat").write_bytes(b"no matrix")
    with pytest.raises(CorruptFileError, match="flowers102 must be as it was published"):
        read("flowers102", tmp_path)


def test_pets_are_those_of_torchvision(tmp_path):
    from torchvision.datasets import OxfordIIITPet

    folder = tmp_path / "oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    lines = {"trainval": [], "test": []}
    for at in range(8):
        name, label = (f"great_pyrenees_{at}", 2) if at % 2 else (f"Bengal_{at}", 1)
        photo(folder / "images" / f"{name}.jpg", at)
        lines["test" if at > 5 else "trainval"].append(f"{name} {label} 1 1")
    for split, rows in lines.items():
        (folder / "annotations" / f"{split}.txt").write_text("\n".join(rows))
    images = read("oxford-iiit-pet", tmp_path)
    assert images.class_names == ("Bengal", "Great Pyrenees")
    for split, name in (("train", "trainval"), ("test", "test")):
        theirs = OxfordIIITPet(tmp_path, split=name)
        expected = {path.name: label for path, label in zip(theirs._images, theirs._labels, strict=True)}
        assert dict(zip(images.splits[split].ids, images.splits[split].labels, strict=True)) == expected


def test_files_that_are_not_there_are_named_with_what_downloads_them(tmp_path):
    with pytest.raises(InvalidInputError, match=r"must hold flowers-102/jpg for flowers102; .*\.Flowers102\(DIR"):
        read("flowers102", tmp_path)
