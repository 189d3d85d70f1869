"""What the tests of predictions share: images as files."""

from pathlib import Path

import pytest
from PIL import Image

from extract.data import digits


@pytest.fixture
def digit_files(tmp_path) -> list[Path]:
    """The digits' test images as PNG files of 8 x 8 pixels, in the order of the test split."""
    split = digits.load().splits["test"]
    (tmp_path / "digits").mkdir()
    paths = []
    for one, array in zip(split.ids, split.images.array, strict=True):
        paths.append(tmp_path / "digits" / f"{one.replace('/', '-')}.png")
        Image.fromarray(array.transpose(1, 2, 0)).save(paths[-1])
    return paths
