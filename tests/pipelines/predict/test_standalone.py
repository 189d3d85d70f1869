"""The script beside an exported model: it imports little, and makes of an image what extraction makes of it."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from extract.backbones import cropping
from extract.backbones.transforms import Preprocessing
from extract.decoding.decode import decode
from pipelines.predict import standalone

SIDES = st.integers(1, 150)


def test_it_imports_onnxruntime_numpy_and_pillow_and_nothing_else():
    tree = ast.walk(ast.parse(Path(standalone.__file__).read_text()))
    names = [[one.name for one in node.names] if isinstance(node, ast.Import) else [node.module] for node in tree
             if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    found = {name.partition(".")[0] for several in names for name in several}
    assert found - set(sys.stdlib_module_names) == {"onnxruntime", "numpy", "PIL"}


@settings(max_examples=40)
@given(
    size=st.tuples(SIDES, SIDES),
    sides=st.sampled_from([(32, 32), (24, 40), (33, 33)]),
    mode=st.sampled_from(["center", "squash", "border"]),
    fraction=st.sampled_from([1.0, 0.95, 0.875]),
    interpolation=st.sampled_from(["bilinear", "bicubic", "lanczos", "nearest"]),
)
def test_an_image_of_any_size_is_resized_and_cut_to_the_very_levels_of_extraction(
    size, sides, mode, fraction, interpolation
):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    known = Preprocessing(sides, interpolation, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2), fraction, mode)
    facts = {"image_size": sides, "interpolation": interpolation, "crop_fraction": fraction, "crop_mode": mode}
    resize = {**facts, "fill": [round(255 * value) for value in known.mean]}
    found = standalone.prepared(image, {"input_size": sides, "resize": resize})
    assert np.array_equal(found, cropping.transform(known)(image).numpy())


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "I;16", "1", "CMYK"])
def test_every_mode_and_orientation_gives_the_levels_of_extraction(mode, tmp_path, photographs):
    photo = photographs[0].resize((64, 40))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    else:
        image = photo.convert(mode)
        if mode in ("RGBA", "LA"):
            image.putalpha(Image.linear_gradient("L").resize(image.size))
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    with path.open("rb") as file, Image.open(file) as opened:
        assert np.array_equal(np.asarray(standalone.in_color(opened)), np.asarray(decode(path)))


def test_an_image_of_another_size_than_in_training_is_refused_where_the_model_takes_one_size():
    facts = {"input_size": [8, 8], "resize": None}
    assert standalone.prepared(Image.new("RGB", (8, 8)), facts).shape == (3, 8, 8)
    with pytest.raises(ValueError, match="must be 8 x 8 pixels, as in training; it is 9 x 8"):
        standalone.prepared(Image.new("RGB", (9, 8)), facts)
