"""Unreadable images: named or left out, never replaced."""

import contextlib
import functools
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from extract.data import folder
from extract.data.bad_images import files, refused_together, without_unreadable
from extract.decoding import decode
from extract.errors import InvalidInputError


def test_an_unreadable_image_is_named_or_left_out(photo_folder):
    good = (photo_folder / "flower" / "0.jpg").read_bytes()
    (photo_folder / "flower" / "cut.jpg").write_bytes(good[: len(good) // 2])
    (photo_folder / "temple" / "no.png").write_bytes(b"no image")
    for name in ("flower/cut.jpg", "temple/no.png"):
        with pytest.raises(decode.UnreadableImage, match=name):
            decode.decode(photo_folder / name)
    kept, skipped = without_unreadable(folder.read(photo_folder).images)
    assert sorted(skipped) == ["flower/cut.jpg", "temple/no.png"]
    assert sum(len(split) for split in kept.splits.values()) == 16


def test_a_class_without_a_readable_image_is_named(photo_folder):
    for path in (photo_folder / "temple").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(InvalidInputError, match="must keep a readable image in the train split; got none of 'temple'"):
        without_unreadable(folder.read(photo_folder).images)


def test_the_first_unreadable_image_is_refused_with_all_others_by_name_and_reason(photo_folder):
    (photo_folder / "temple" / "no.png").write_bytes(b"no image")
    images = folder.read(photo_folder).images.limited(10)
    path = files(images)[0].path(0)
    with (
        pytest.raises(InvalidInputError, match=r"got 17 that are not: '.*' \(it has \d+ x \d+ pixels\), "),
        refused_together(*files(images)),
    ):
        decode.decode(path, max_pixels=10)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["AVIF", "TIFF", "WEBP", "GIF", "JPEG2000"]), place=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_damaged_file_is_read_or_named_whatever_its_format(kind, place, bit, tmp_path):
    path = tmp_path / "image.bin"
    content = bytearray(encoded(kind))
    content[int(place * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(content)
    with contextlib.suppress(decode.UnreadableImage):
        assert decode.decode(path).mode == "RGB"


@functools.cache
def encoded(kind):
    """A small image in a format."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(stream, kind)
    return stream.getvalue()
