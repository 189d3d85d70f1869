"""Embeddings of pictures in memory: those of the feature file, whatever holds the pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import extract
from extract.data import digits
from extract.errors import InvalidInputError


@pytest.fixture(scope="module")
def backbone():
    return extract.load_backbone("test_resnet", weights="untrained", image_size=32)


@pytest.fixture(scope="module")
def levels() -> np.ndarray:
    return digits.load().splits["test"].images.array[:20]


def test_arrays_and_pictures_give_the_values_of_the_feature_file(backbone, levels, pipeline):
    words = ("--backbone", "test_resnet", "--weights", "untrained", "--image-size", 32, "--storage", "float32")
    path = pipeline("extract", "--dataset", "digits", "--subset", 50, *words, "--json").json["path"]
    stored = extract.FeatureFile(Path(path)).read("test").features[0][:20]
    seen: list[tuple[int, int]] = []
    found = extract.embed(levels, backbone, progress=lambda *count: seen.append(count))
    np.testing.assert_array_equal(found, stored)
    assert seen[-1] == (20, 20)
    pictures = [Image.fromarray(one.transpose(1, 2, 0)) for one in levels]
    np.testing.assert_allclose(extract.embed(pictures, backbone), found, atol=1e-5)
    np.testing.assert_allclose(extract.embed(list(levels[:, 0]), backbone), found, atol=1e-5)


def test_pictures_of_any_size_and_mode_are_read_upright_and_one_after_another(backbone, photographs):
    photo = photographs[0].crop((0, 0, 300, 200))
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 270 degrees
    turned.info["exif"] = exif.tobytes()

    class Opening:
        """A sequence that makes each picture when it is asked for."""

        def __len__(self):
            return 5

        def __getitem__(self, row):
            return [photo, turned, photo.convert("RGBA"), np.asarray(photo), photo.convert("L")][row]

    found = extract.embed(Opening(), backbone)
    np.testing.assert_allclose(found[1:4], np.tile(found[0], (3, 1)), atol=1e-5)
    assert np.abs(found[4] - found[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "images must be at least one"),
        ([5], "PIL images or arrays of levels; got a int at place 0. Open files"),
        ([np.zeros((4, 4))], "image 0 must be uint8 levels"),
        ([Image.fromarray(np.full((4, 4), 0.5, np.float32))], "one at place 0 that is not .*no known range"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_place(images, message, backbone):
    with pytest.raises(InvalidInputError, match=message):
        extract.embed(images, backbone)
