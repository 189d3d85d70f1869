"""Data sets, subsets, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from extract.data import digits
from extract.data.images import stratified_rows, subset
from extract.decoding import decode
from extract.errors import InvalidInputError


@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=200).map(np.array),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 9),
)
@settings(max_examples=200)
def test_a_stratified_sample_keeps_every_share_within_one(labels, share, seed):
    count = max(int(share * len(labels)), 1)
    rows = stratified_rows(labels, count, seed=seed)
    assert len(rows) == count
    assert np.array_equal(rows, np.unique(rows))
    for label in np.unique(labels):
        expected = (labels == label).sum() * count / len(labels)
        assert abs((labels[rows] == label).sum() - expected) < 1 + 1e-6
    assert np.array_equal(rows, stratified_rows(labels, count, seed=seed))


def test_a_subset_is_stratified_and_another_seed_takes_others():
    whole = digits.load()
    one = subset(whole, train=100, test=None, seed=0)
    assert np.bincount(one.splits["train"].labels).tolist() == pytest.approx([10] * 10, abs=1)
    assert len(one.splits["test"]) == 360
    assert one.splits["train"].ids != subset(whole, train=100, test=None, seed=1).splits["train"].ids


@pytest.mark.parametrize(("train", "test", "word"), [(1438, None, "--subset"), (None, 361, "--test-subset")])
def test_a_subset_larger_than_the_data_is_refused(train, test, word):
    with pytest.raises(InvalidInputError, match=f"{word} must be from 1 to the"):
        subset(digits.load(), train=train, test=test, seed=0)


def test_photographs_come_upright(tmp_path):
    image = Image.new("RGB", (20, 10), "red")
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert decode.decode(tmp_path / "turned.jpg").size == (10, 20)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.pgm"])
def test_16_bit_levels_are_scaled_and_not_cut_off(name, tmp_path):
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    if name.endswith("pgm"):
        (tmp_path / name).write_bytes(b"P5 16 16 65535\n" + levels.astype(">u2").tobytes())
    else:
        Image.fromarray(levels).save(tmp_path / name)
    np.testing.assert_array_equal(np.asarray(decode.decode(tmp_path / name))[..., 1], levels // 257)


def test_levels_of_no_known_range_are_refused(tmp_path):
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "float.tif")
    with pytest.raises(decode.UnreadableImage, match="mode F, have no known range"):
        decode.decode(tmp_path / "float.tif")
