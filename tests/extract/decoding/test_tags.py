"""Orientation and other tags, read without trusting them."""

import random
import struct

import numpy as np
import pytest
from PIL import Image, features

from benchmarks import orientation
from extract.decoding.decode import TURNS, decode, traits
from tests.extract.decoding.pictures import NOISE, levels


def test_a_sample_of_all_odd_tags_with_each_orientation_comes_the_right_way_up(tmp_path):
    path, plain = tmp_path / "one.jpg", orientation.picture()
    wanted = orientation.turned(path, plain)
    for odd in random.Random(0).sample(list(orientation.combinations()), 60):
        for one in range(1, 9):
            whole = orientation.jpeg(plain, orientation.exif(odd, one, order="<>"[one % 2]))
            assert orientation.is_upright(path, whole, wanted=wanted[one]), (odd, one)


@pytest.mark.parametrize("data", [b"garbage!", b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_data_leave_a_photograph_as_it_is(data, tmp_path):
    (tmp_path / "one.jpg").write_bytes(orientation.jpeg(orientation.picture(), data))
    assert levels(tmp_path / "one.jpg").shape == (6, 10, 3)


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("WEBP", "webp"), ("AVIF", "avif"), ("TIFF", "tif")])
@pytest.mark.parametrize("one", range(1, 9))
def test_every_format_is_turned_by_its_own_orientation(kind, suffix, one, tmp_path):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow is built without AVIF")
    path, exif = tmp_path / f"one.{suffix}", Image.Exif()
    Image.fromarray(NOISE).save(path, lossless=True)
    upright = decode(path)
    exif[0x0112] = one
    Image.fromarray(NOISE).save(path, exif=exif, lossless=True)
    wanted = upright.transpose(TURNS[one]) if one in TURNS else upright
    assert np.array_equal(levels(path), np.asarray(wanted))
    assert (traits(path).width, traits(path).height) == wanted.size


@pytest.mark.parametrize("value", [struct.pack("<HHLB3x", 274, 1, 1, 6), struct.pack("<HHLL", 274, 4, 1, 6)])
def test_an_orientation_of_another_type_is_still_one(value, tmp_path):
    data = b"II*\0\x08\0\0\0\x01\0" + value + bytes(4)
    (tmp_path / "one.jpg").write_bytes(orientation.jpeg(orientation.picture(), data))
    assert levels(tmp_path / "one.jpg").shape == (10, 6, 3)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "RGB", "1"])
@pytest.mark.parametrize("one", range(1, 9))
def test_a_raw_tiff_is_turned_whole(mode, one, tmp_path):
    image, exif = Image.fromarray(NOISE).convert(mode), Image.Exif()
    exif[0x0112] = one
    image.save(tmp_path / "one.tif", exif=exif)
    upright = image.convert("RGB")
    wanted = upright.transpose(TURNS[one]) if one in TURNS else upright
    assert np.array_equal(levels(tmp_path / "one.tif"), np.asarray(wanted))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow is built without AVIF")
@pytest.mark.parametrize("one", [1, 6])
def test_an_avif_is_turned_as_its_picture_says_whatever_its_exif_data(one, tmp_path):
    path, exif = tmp_path / "one.avif", Image.Exif()
    exif[0x0112], exif[0x011A] = one, 72.0
    Image.fromarray(NOISE).save(path, exif=exif)
    wanted, whole = levels(path), path.read_bytes()
    place = max(whole.find(b"MM\0*"), whole.find(b"II*\0"))
    for damaged in (b"none", whole[place : place + 4][::-1]):
        path.write_bytes(whole[:place] + damaged + whole[place + 4 :])
        assert np.array_equal(levels(path), wanted)
    assert wanted.shape == ((20, 30, 3) if one == 1 else (30, 20, 3))
