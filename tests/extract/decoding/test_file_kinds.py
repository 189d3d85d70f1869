"""What a file is, told from its first bytes."""

import struct

import pytest

from extract.decoding.decode import UnreadableImage, decode
from tests.extract.decoding.pictures import png


def test_only_pictures_of_known_formats_are_opened(tmp_path):
    (tmp_path / "one.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    (tmp_path / "two.png").write_bytes(b"")
    with pytest.raises(UnreadableImage, match="it holds no picture of JPEG, PNG"):
        decode(tmp_path / "one.png")
    with pytest.raises(UnreadableImage, match="it is empty"):
        decode(tmp_path / "two.png")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is a HEIF"),
        (b"\xff\x0a" + bytes(30), "it is a JPEG XL picture, which is not read: save it as JPEG or PNG"),
        (b"II*\0\xff\xff\xff\xff", "it is a damaged or unusual TIFF"),
        (b"<!DOCTYPE html><html></html>", "it is a web page. Download the file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer.* Run git lfs pull"),
        (b"Pf\n2 1\n-1.0\n" + struct.pack("<2f", 0.5, 1), "have no known range"),
        (png(8, 3, b"\1\2\3"), "its content is damaged"),
    ],
)
def test_what_is_no_picture_that_is_read_is_called_what_it_is(content, what, tmp_path):
    (tmp_path / "one.png").write_bytes(content)
    with pytest.raises(UnreadableImage, match=what):
        decode(tmp_path / "one.png")
