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


def test_a_column_of_paths_is_read_by_place_and_an_array_of_paths_as_paths(backbone, levels, tmp_path):
    pandas = pytest.importorskip("pandas")
    paths = [str(tmp_path / f"{row}.png") for row in range(3)]
    for path, level in zip(paths, levels[:3], strict=True):
        Image.fromarray(level.transpose(1, 2, 0)).save(path)
    found = extract.embed(paths, backbone)
    for given in (pandas.Series(paths, index=[2, 0, 1]), pandas.Series(paths).to_numpy(), np.array(paths)):
        np.testing.assert_array_equal(extract.embed(given, backbone), found)


@pytest.mark.parametrize("images", ["photo.png", Path("photo.png"), Image.new("RGB", (9, 9)), iter([]), None])
def test_what_is_no_sequence_is_refused(images, backbone):
    with pytest.raises(
        InvalidInputError, match=r"must be a sequence of paths, PIL images or arrays; got .* Pass a list"
    ):
        extract.embed(images, backbone)


def test_a_batch_size_is_a_whole_number_of_python_or_numpy(backbone, levels):
    np.testing.assert_array_equal(
        extract.embed(levels[:3], backbone, batch_size=np.int64(2)), extract.embed(levels[:3], backbone, batch_size=2)
    )
    for wrong in (1.5, "auto", 0):
        with pytest.raises(InvalidInputError, match="batch size must be a whole number"):
            extract.embed(levels[:3], backbone, batch_size=wrong)


def test_layers_that_the_network_has_not_are_refused_in_a_sentence(levels):
    with pytest.raises(InvalidInputError, match="layers must be stages that test_resnet has; got 9"):
        extract.embed(levels, extract.load_backbone("test_resnet", weights="untrained", layers=(9,)))
