"""Pixels are read whatever stands around them: metadata, transparency, declared bits, frames, limits."""

import errno
import io
import os
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from benchmarks import orientation
from extract.data import folder
from extract.data.contents import Contents
from extract.decoding.decode import OversizedImage, UnreadableImage, decode, traits
from extract.errors import TransferBenchError
from tests.extract.decoding.pictures import NOISE, levels, png

ODD = orientation.Combination(0x011A, 2, 3, b"72\0\0")  # a resolution as text, as some cameras write it


def tiff(bits, photometric, data, width):
    """A raw TIFF of one row of gray levels."""
    values = [(256, width), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, 1)]
    entries = b"".join(struct.pack("<HHLHH", tag, 3, 1, value, 0) for tag, value in [*values, (279, len(data))])
    return b"II*\0" + struct.pack("<L", 8 + len(data)) + data + struct.pack("<H", 9) + entries + bytes(4)


def test_text_and_profiles_of_a_png_decide_nothing(tmp_path):
    path, text = tmp_path / "one.png", PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 2_000_000, zip=True)
    Image.fromarray(NOISE).save(path, pnginfo=text, icc_profile=bytes(2_000_000))
    assert np.array_equal(levels(path), NOISE)
    whole = bytearray(path.read_bytes())
    whole[whole.find(b"zTXt") + 20] ^= 1  # now the checksum of the comment is wrong
    path.write_bytes(whole)
    assert np.array_equal(levels(path), NOISE)
    whole[whole.find(b"IDAT") + 20] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UnreadableImage):
        decode(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode, tmp_path):
    path = tmp_path / "one.png"
    image = Image.fromarray(NOISE).convert(mode)
    image.save(path)
    assert np.array_equal(levels(path), np.asarray(image.convert("RGB")))  # opaque: as it is
    image.putalpha(0)
    image.save(path)
    assert levels(path).min() == 255
    assert traits(path).transparent


def test_a_transparent_color_of_a_palette_is_white(tmp_path):
    image = Image.fromarray(NOISE).convert("P")
    corner = image.getpixel((0, 0))
    image.save(tmp_path / "one.png", transparency=corner)
    image.save(tmp_path / "all.png", transparency=bytes(256))
    wanted = np.where((np.asarray(image) == corner)[..., None], 255, np.asarray(image.convert("RGB")))
    assert np.array_equal(levels(tmp_path / "one.png"), wanted)
    assert levels(tmp_path / "all.png").min() == 255


@pytest.mark.parametrize(
    ("bits", "colors", "row", "clear", "wanted"),
    [
        (1, 0, b"\x55", b"\0\0", [255] * 8),
        (1, 0, b"\x55", b"\0\1", [0, 255] * 4),
        (2, 0, b"\x1b", b"\0\2", [0, 85, 255, 255]),
        (4, 0, b"\x05\xaf", b"\0\x0a", [0, 85, 255, 255]),
        (8, 0, b"\x05\x0a\xaf", b"\0\x0a", [5, 255, 175]),
        (16, 0, b"\x01\x02\x80\x80", b"\x01\x02", [255, 128]),
        (8, 2, b"\1\2\3\4\4\4", b"\0\1\0\2\0\3", [255, 4]),
        (16, 2, b"\x01\x02\x80\x00\x20\0\4\4\4\4\4\4", b"\x01\x02\x80\x00\x20\0", [255, 4]),
    ],
)
def test_a_transparent_level_is_white_at_every_depth(bits, colors, row, clear, wanted, tmp_path):
    (tmp_path / "one.png").write_bytes(png(bits, colors, row, (b"tRNS", clear)))
    assert levels(tmp_path / "one.png")[0, :, 0].tolist() == wanted


def test_a_tga_that_declares_no_alpha_has_none(tmp_path):
    path = tmp_path / "one.tga"
    image = Image.fromarray(NOISE).convert("RGBA")
    image.putalpha(0)
    image.save(path)
    assert levels(path).min() == 255
    whole = bytearray(path.read_bytes())
    whole[17] &= 0xF0
    path.write_bytes(whole)
    assert np.array_equal(levels(path), NOISE)


def test_the_bits_that_a_tiff_declares_are_its_range(tmp_path):
    path = tmp_path / "one.tif"
    sixteen = (np.arange(4) * 21845).astype("<u2").tobytes()
    twelve = int("".join(f"{level:012b}" for level in (0, 1365, 2730, 4095)), 2).to_bytes(6, "big")
    for bits, photometric, data, wanted in (
        (16, 1, sixteen, [0, 85, 170, 255]),
        (16, 0, sixteen, [255, 170, 85, 0]),
        (12, 1, twelve, [0, 85, 170, 255]),
    ):
        path.write_bytes(tiff(bits, photometric, data, 4))
        assert levels(path)[0, :, 0].tolist() == wanted


@pytest.mark.parametrize("suffix", ["gif", "tif", "webp", "png", "mpo"])
def test_frames_are_counted_and_the_first_is_read(suffix, tmp_path):
    path, image = tmp_path / f"one.{suffix}", Image.fromarray(NOISE)
    image.save(path, save_all=True, append_images=[image.rotate(180), image.rotate(90)], lossless=True)
    assert traits(path).frames == 3
    first = Image.open(path).convert("RGB")
    assert np.array_equal(levels(path), np.asarray(first))


def test_too_many_pixels_are_refused_by_our_own_limit_which_can_be_raised(tmp_path, monkeypatch, recwarn):
    path = tmp_path / "one.tif"
    Image.fromarray(NOISE).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow would refuse
    assert np.array_equal(np.asarray(decode(path, max_pixels=600)), NOISE)
    with pytest.raises(OversizedImage, match=r"at most 599 pixels; got .*one.tif', which has 30 x 20. Give --max-pix"):
        decode(path, max_pixels=599)
    assert Image.MAX_IMAGE_PIXELS == 100
    assert not recwarn.list


def test_many_threads_share_the_limit_and_leave_pillows_own(tmp_path):
    before, started = Image.MAX_IMAGE_PIXELS, threading.Barrier(8)
    Image.fromarray(NOISE).save(tmp_path / "one.png")

    def one(_):
        started.wait()
        return [decode(tmp_path / "one.png").size for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))
    assert before == Image.MAX_IMAGE_PIXELS


def test_no_memory_names_the_file(tmp_path, monkeypatch):
    Image.fromarray(NOISE).save(tmp_path / "one.png")

    def greedy(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", greedy)
    with pytest.raises(TransferBenchError, match=r"image must fit into memory; got .*one.png"):
        decode(tmp_path / "one.png")


def test_no_warning_of_pillow_is_raised(tmp_path, recwarn):
    stream = io.BytesIO()
    Image.fromarray(NOISE).convert("P").save(stream, "PNG", transparency=bytes(256))
    (tmp_path / "one.png").write_bytes(stream.getvalue())
    (tmp_path / "one.jpg").write_bytes(orientation.jpeg(orientation.picture(), orientation.exif(ODD, 6)))
    for name in ("one.png", "one.jpg"):
        decode(tmp_path / name)
    assert not recwarn.list


def test_transparency_and_frames_are_said_once_with_the_data_set(tmp_path):
    for name in ("red", "blue"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(NOISE + number).save(tmp_path / name / f"{number}.png")
    Image.new("RGBA", (9, 9)).save(tmp_path / "red" / "clear.png")
    image = Image.fromarray(NOISE)
    image.save(tmp_path / "blue" / "moving.gif", save_all=True, append_images=[image.rotate(180)])
    contents = Contents()
    wanted = (
        "1 image with transparency: laid over white (red/clear.png)",
        "1 image with several frames or pages: the first is read (blue/moving.gif with 2)",
    )
    assert folder.read(tmp_path, contents=contents).images.notices[-2:] == wanted
    assert folder.read(tmp_path, contents=contents).images.notices[-2:] == wanted


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_what_the_system_cannot_do_now_says_nothing_of_an_image(tmp_path, monkeypatch, number):
    path = tmp_path / "image.png"
    Image.new("RGB", (4, 4)).save(path)

    def refused(*_):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(TransferBenchError, match="Run the same command again") as raised:
        decode(path)
    assert not isinstance(raised.value, UnreadableImage)
