"""Of strips only what the crop keeps is enlarged, and that is timm's own transform to the bit."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from extract.backbones import cropping
from extract.backbones.resampling import FILTERS
from extract.backbones.transforms import Preprocessing, pillow_transform, resized_lengths
from extract.data.images import Files
from extract.features.embed import source

HALF = (0.5, 0.5, 0.5)


def preprocessing(side, *, kind="bicubic", fraction=0.875, mode="center"):
    sides = side if isinstance(side, tuple) else (side, side)
    return Preprocessing(sides, kind, HALF, HALF, fraction, mode)


@given(
    short=st.integers(1, 40),
    longer=st.floats(1, 60),
    is_tall=st.booleans(),
    side=st.sampled_from([48, 41, (48, 32), (40, 64)]),
    kind=st.sampled_from(sorted(FILTERS)),
    fraction=st.sampled_from([0.875, 0.9, 1.0]),
)
@settings(max_examples=60)
def test_what_is_kept_of_an_enlarged_image_is_timms_to_the_bit(short, longer, is_tall, side, kind, fraction):
    shape = (int(short * longer), short) if is_tall else (short, int(short * longer))
    image = Image.fromarray(np.random.default_rng(short).integers(0, 256, (*shape, 3), dtype=np.uint8))
    wanted = preprocessing(side, kind=kind, fraction=fraction)
    resized = resized_lengths(wanted, height=image.height, width=image.width)
    if resized[0] < image.height or resized[1] < image.width:
        return  # made smaller: never taken apart
    got = cropping.kept_part(image, resized, preprocessing=wanted)
    assert torch.equal(got, pillow_transform(wanted)(image))


@pytest.mark.parametrize("size", [(5_000, 1), (60_000, 1), (1, 60_000)])
def test_a_strip_costs_little(size, tmp_path):
    Image.new("RGB", size, (10, 20, 30)).save(tmp_path / "strip.png")
    tracemalloc.start()
    (levels,) = source(Files.at([tmp_path / "strip.png"]), preprocessing(224)).batches([(0, 1)])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert levels.shape == (1, 3, 224, 224)
    assert levels[0, :, 0, 0].tolist() == [10, 20, 30]
    assert peak_bytes < 20e6


@pytest.mark.parametrize("size", [(1000, 1), (1, 3000)])
def test_a_strip_keeps_a_pixel_of_its_shorter_side_where_borders_are_added(size):
    levels = cropping.transform(preprocessing(48, fraction=1.0, mode="border"))(Image.new("RGB", size, "red"))
    red = (levels[0] == 255) & (levels[1] == 0)
    assert levels.shape == (3, 48, 48)
    assert int(red.sum()) == 48


def test_usual_images_take_timms_own_way(monkeypatch):
    monkeypatch.setattr(cropping, "kept_part", None)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 300, 3), dtype=np.uint8))
    for mode in ("center", "squash", "border"):
        wanted = preprocessing(64, mode=mode)
        assert torch.equal(cropping.transform(wanted)(image), pillow_transform(wanted)(image))
