"""Near-duplicates: altered copies are found, other images are not, and identical features are told apart from them."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from extract.data.images import Files, Pixels
from extract.duplicates.search import coarse, largest, neighborhood
from extract.duplicates.thumbnails import thumbnails


def silent(done, total, what):
    pass


def jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer)).transpose(2, 0, 1)


def cropped(image: np.ndarray) -> np.ndarray:
    middle = Image.fromarray(np.ascontiguousarray(image[:, 2:-2, 2:-2].transpose(1, 2, 0)))
    return np.asarray(middle.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


ALTERED = {
    "jpeg": jpeg,
    "mirrored": lambda image: image[:, :, ::-1],
    "cropped": cropped,
    "shifted": lambda image: np.pad(image, ((0, 0), (3, 0), (0, 2)), mode="edge")[:, :32, 2:34],
    "all of it": lambda image: jpeg(np.ascontiguousarray(cropped(image)[:, :, ::-1])),
}


@given(st.integers(1, 200), st.integers(1, 12), st.integers(0, 9), st.integers(1, 40))
def test_the_largest_are_those_of_topk(width, count, seed, levels):
    values = torch.from_numpy(np.random.default_rng(seed).integers(0, levels, (3, width))).float()
    found, places = largest(values, min(count, width))
    assert found.equal(values.topk(min(count, width), dim=1).values)
    assert values.gather(1, places).equal(found)
    assert all(len(set(row)) == len(row) for row in places.tolist())


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """120 pieces of two photographs, uint8 [120, 3, 32, 32], none of which overlap."""
    found = []
    for photo in load_sample_images()["images"]:
        small = np.asarray(Image.fromarray(photo).resize((320, 213)))
        found += [small[y : y + 32, x : x + 32] for y in range(0, 192, 32) for x in range(0, 320, 32)]
    return np.stack(found).transpose(0, 3, 1, 2)


def features_of(images: np.ndarray) -> np.ndarray:
    """Features that say little: mean colors."""
    return images.mean((2, 3)).astype(np.float16)


@pytest.mark.parametrize("how", ALTERED)
def test_altered_copies_are_found_and_nothing_else(pictures, how):
    rows = np.arange(0, 120, 12)
    images = np.concatenate([pictures, np.stack([ALTERED[how](pictures[row]) for row in rows])])
    found = neighborhood(features_of(images), np.ascontiguousarray(images), progress=silent)
    joined = found.group[120:] == found.group[rows]
    textured = np.abs(np.diff(pictures[rows].astype(float))).mean((1, 2, 3)) > 10  # blue sky is like any other
    assert joined[textured].all()
    assert textured.sum() > 3
    others = np.setdiff1d(np.arange(120), rows)
    assert (found.group[others] == others).mean() > 0.95
    assert (found.similarity[120:][joined] > 0.8).all()


def test_equal_images_are_one_group_and_equal_features_one_point(pictures, rng):
    images = np.concatenate([pictures[:30], pictures[:3], pictures[:3]])
    features = rng.normal(size=(36, 12)).astype(np.float32)
    features[30:33] = features[33:] = features[:3]
    features[10:20] = features[10]
    for pixels in (images, None):
        found = neighborhood(features, pixels, progress=silent)
        assert found.group[30:].tolist() == [0, 1, 2, 0, 1, 2]
        assert found.similarity[[0, 30, 33]].tolist() == [1, 1, 1]
        assert found.nearest[[0, 30, 33]].tolist() == [30, 0, 0]
        assert found.point[10:20].tolist() == [10] * 10
    assert neighborhood(features, images, progress=silent).group[15] == 15
    assert neighborhood(features, None, progress=silent).group[15] == 10


def test_without_pixels_nearest_and_typicality_are_those_of_a_plain_search(rng):
    features = rng.normal(size=(50, 8))
    found = neighborhood(features, None, progress=silent)
    centered = features - features.mean(0)
    unit = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    table = unit @ unit.T - 3 * np.eye(50)
    assert found.nearest.tolist() == table.argmax(1).tolist()
    np.testing.assert_allclose(found.similarity, table.max(1), atol=1e-5)
    np.testing.assert_allclose(found.typicality, np.sort(table, axis=1)[:, -10:].mean(1), atol=1e-5)


def test_coarse_parts_give_the_correlation_with_an_image_and_with_its_mirror_image(pictures):
    import torch

    even, odd = coarse(torch.from_numpy(np.ascontiguousarray(pictures)))
    small = pictures[:2].reshape(2, 3, 8, 4, 8, 4).mean((3, 5))
    for sign, other in ((1, small[1]), (-1, small[1][:, :, ::-1])):
        expected = np.corrcoef(small[0].ravel(), other.ravel())[0, 1]
        assert float(even[0] @ even[1] + sign * (odd[0] @ odd[1])) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_two_images_are_searched_too(count):
    found = neighborhood(np.ones((count, 4)), np.zeros((count, 3, 32, 32), np.uint8), progress=silent)
    assert found.group.tolist() == [0] * count


def test_thumbnails_are_of_every_size_and_black_where_a_file_is_no_image(tmp_path, photographs):
    photographs[0].save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    made = thumbnails(Files.at([tmp_path / "a.jpg", tmp_path / "b.jpg"]))
    assert made.shape == (2, 3, 32, 32)
    expected = np.asarray(photographs[0].resize((32, 32), Image.Resampling.BOX)).transpose(2, 0, 1)
    assert np.abs(made[0].astype(int) - expected).mean() < 3
    assert not made[1].any()
    assert thumbnails(Pixels(np.full((2, 3, 8, 8), 7, np.uint8))).tolist() == np.full((2, 3, 32, 32), 7).tolist()
