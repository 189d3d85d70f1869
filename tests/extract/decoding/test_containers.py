"""What decides about the pixels of a file is kept whole; what cannot be meant costs nothing."""

import zlib

import pytest

from extract.decoding import containers
from tests.extract.decoding.pictures import levels, png


@pytest.mark.parametrize(
    ("bits", "colors", "row", "clear"),
    [
        (8, 0, b"\1\2\3", b"\2"),
        (16, 0, b"\1\1\2\2\3\3", b"\2"),
        (8, 2, b"\1\1\1\2\2\2\3\3\3", b"\0\2\0"),
        (8, 6, b"\1\1\1\xff\2\2\2\xff\3\3\3\xff", b"\0\2\0\2\0\2"),
    ],
)
def test_a_transparent_color_of_a_wrong_length_means_nothing(bits, colors, row, clear, tmp_path):
    (tmp_path / "one.png").write_bytes(png(bits, colors, row, (b"tRNS", clear)))
    assert levels(tmp_path / "one.png")[0, :, 0].tolist() == [1, 2, 3]


def test_transparencies_beyond_a_palette_mean_nothing(tmp_path):
    chunks = (b"PLTE", bytes(768)), (b"tRNS", bytes([255, 0, *[255] * 298]))
    (tmp_path / "one.png").write_bytes(png(8, 3, b"\0\1\2", *chunks))
    assert levels(tmp_path / "one.png")[0, :, 0].tolist() == [0, 255, 0]


def test_texts_that_unpack_to_gigabytes_are_not_unpacked(tmp_path, monkeypatch):
    unpacked = []
    monkeypatch.setattr(containers, "_from_hex", lambda text: unpacked.append(len(text)) or b"")
    chunk = b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(2**23))
    (tmp_path / "one.png").write_bytes(png(8, 0, b"\1\2\3", *[chunk] * 50))
    assert levels(tmp_path / "one.png")[0, :, 0].tolist() == [1, 2, 3]
    assert sum(unpacked) == containers.MOST_TEXT_BYTES
