"""Large JPEGs are decoded at a reduced scale: near to what they give decoded whole, and only where there is room."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from extract.backbones import cropping
from extract.decoding import decode as decoding
from extract.decoding.decode import MARGIN, SMALLEST, Target, UnreadableImage, decode
from tests.extract.backbones.test_cropping import preprocessing

ORIENTATION = 274
PHOTO = Image.fromarray(load_sample_image("china.jpg"))  # 640 x 427


def jpeg(path, image, *, turned=1, **how):
    exif = Image.Exif()
    exif[ORIENTATION] = turned
    image.save(path, "JPEG", exif=exif, **how)
    return path


def to(rows, columns, kind=Image.Resampling.BICUBIC):
    return Target(lambda height, width: (rows, columns) if height < width else (columns, rows), kind)


@pytest.fixture
def scales(monkeypatch):
    """The scales at which JPEGs are decoded."""
    seen = []
    real = decoding._levels
    monkeypatch.setattr(decoding, "_levels", lambda image: seen.append((*image.decoderconfig, 1)[0]) or real(image))
    return seen


@pytest.mark.parametrize("how", [{"quality": 75}, {"quality": 95, "subsampling": 0}, {"progressive": True}])
@pytest.mark.parametrize(("mode", "turned"), [("RGB", 1), ("RGB", 6), ("L", 3), ("CMYK", 7)])
def test_a_photo_at_a_reduced_scale_is_near_to_the_whole_one(tmp_path, scales, how, mode, turned):
    path = jpeg(tmp_path / "one.jpg", PHOTO.crop((0, 0, 637, 423)).convert(mode), turned=turned, **how)
    for side, scale in ((50, 2), (25, 4), (13, 8)):
        wanted = preprocessing(side, fraction=1.0)
        transform = cropping.transform(wanted)
        reduced, whole = transform(decode(path, target=cropping.target(wanted))), transform(decode(path))
        assert scales[-2] == scale
        difference = np.abs(reduced.numpy().astype(int) - whole.numpy())
        assert difference.mean() < 1.2
        assert difference.max() <= 24


def test_a_picture_whose_last_blocks_are_cut_is_not_shifted(tmp_path):
    """A ramp of 33 x 33 pixels at half its size has 17, the last of which lies half outside."""
    ramp = np.repeat(np.linspace(0, 255, 33).astype(np.uint8)[:, None], 33, axis=1)
    for turned in range(1, 9):
        path = jpeg(tmp_path / f"{turned}.jpg", Image.fromarray(ramp), turned=turned, quality=100)
        whole = decode(path).resize((4, 4), Image.Resampling.BILINEAR)
        reduced = decode(path, target=to(4, 4, Image.Resampling.BILINEAR))
        assert reduced.size == (4, 4)
        assert np.abs(np.asarray(reduced).astype(int) - np.asarray(whole)).max() <= 2


@pytest.mark.parametrize("side", [9, 10, 11, 20, 21, 40, 41, 100, 1000])
def test_the_scale_leaves_room_to_resize(side, tmp_path, scales):
    decode(jpeg(tmp_path / "one.jpg", PHOTO), target=to(side, side * 2))
    (scale,) = scales
    room = min(PHOTO.height / side, PHOTO.width / (side * 2)) / MARGIN
    assert scale <= max(room, 1)
    assert scale in (1, 2, 4, 8)
    assert scale * 2 > min(room, 8)  # and no larger one does


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize(
    ("side", "fraction", "mode"), [(48, 0.875, "center"), (31, 0.9, "center"), (40, 1.0, "squash")]
)
def test_what_the_crop_drops_is_not_made_and_the_rest_is_the_same(tmp_path, side, fraction, mode, turned):
    path = jpeg(tmp_path / "one.jpg", PHOTO, turned=turned)
    wanted = preprocessing(side, fraction=fraction, mode=mode)
    target, transform = cropping.target(wanted), cropping.transform(wanted)
    part, all_of_it = (np.asarray(decode(path, target=one)) for one in (target, replace(target, kept=None)))
    assert part.shape == all_of_it.shape
    assert (part == 0).all(-1).any() == (mode == "center")
    levels = [transform(Image.fromarray(one)).int() for one in (part, all_of_it)]
    assert (levels[0] - levels[1]).abs().max() <= 1  # Pillow takes the place of the part in single precision


def test_other_formats_and_nearest_pixels_are_never_reduced(tmp_path):
    PHOTO.save(tmp_path / "one.bmp")
    assert decode(tmp_path / "one.bmp", target=to(20, 20)).size == PHOTO.size
    nearest = to(20, 20, Image.Resampling.NEAREST)
    assert decode(jpeg(tmp_path / "one.jpg", PHOTO), target=nearest).size == PHOTO.size


def test_a_torn_photo_is_unreadable_at_any_scale(tmp_path):
    buffer = io.BytesIO()
    PHOTO.save(buffer, "JPEG")
    (tmp_path / "torn.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    for target in (None, to(20, 20), SMALLEST):
        with pytest.raises(UnreadableImage, match="truncated"):
            decode(tmp_path / "torn.jpg", target=target)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
def test_what_was_resized_is_left_as_it_is_by_timms_transform(mode, tmp_path):
    path = jpeg(tmp_path / "one.jpg", PHOTO)
    for side in (30, (30, 48)):
        wanted = preprocessing(side, mode=mode)
        image = decode(path, target=cropping.target(wanted))
        assert image.size[::-1] == cropping.target(wanted).size(PHOTO.height, PHOTO.width)
        found = cropping.transform(wanted)(image).numpy()
        top, left = ((length - kept) // 2 for length, kept in zip(found.shape[1:], image.size[::-1], strict=True))
        if top >= 0 and left >= 0:  # "border": nothing is cut, the picture stands in the middle
            middle = found[:, top : top + image.height, left : left + image.width]
            assert np.array_equal(middle, np.asarray(image).transpose(2, 0, 1))
