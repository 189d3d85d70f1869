"""The script beside an exported model: it imports little, and makes of an image what extraction makes of it."""

import ast
import re
import sys
import types
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


@pytest.mark.parametrize(
    ("name", "dtype", "facts"),
    [
        ("inverted.tif", np.uint16, {"tiffinfo": {262: 0}}),
        ("wide.tif", np.int32, {}),
        ("fractions.tif", np.float32, {}),
        ("fractions.pfm", np.float32, {}),
    ],
)
def test_grey_levels_of_more_than_8_bits_are_those_of_extraction_or_refused_as_there(name, dtype, facts, tmp_path):
    path, levels = tmp_path / name, np.arange(100, dtype=dtype).reshape(10, 10) * 600
    Image.fromarray(levels).save(path, **facts)
    found = []
    for read in (decode, lambda path: standalone.in_color(Image.open(path))):
        try:
            found.append(np.asarray(read(path)).tolist())
        except ValueError as error:
            found.append(re.findall("its levels, of mode ., have no known range", str(error)))
    assert found[0] == found[1]


def test_what_pillow_does_not_take_does_not_end_the_script(tmp_path, monkeypatch, capsys):
    session = types.SimpleNamespace(
        get_modelmeta=lambda: types.SimpleNamespace(
            custom_metadata_map={"classes": '["a"]', "preprocessing": '{"input_size": [8, 8], "resize": null}'}
        ),
        run=lambda outputs, inputs: [np.ones((1, 1), np.float32)],
    )
    runtime = types.SimpleNamespace(InferenceSession=lambda *_, **__: session)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    for name, side in (("vast", 20_000), ("good", 8)):
        Image.new("1", (side, side)).save(tmp_path / f"{name}.png")
    assert standalone.main([str(tmp_path / "vast.png"), str(tmp_path / "good.png")]) == 2
    told = capsys.readouterr()
    assert f"{tmp_path / 'vast.png'} cannot be classified: Image size (400000000 pixels)" in told.err
    assert told.out == f"{tmp_path / 'good.png'}: a 100.0 %\n"


def test_an_image_of_another_size_than_in_training_is_refused_where_the_model_takes_one_size():
    facts = {"input_size": [8, 8], "resize": None}
    assert standalone.prepared(Image.new("RGB", (8, 8)), facts).shape == (3, 8, 8)
    with pytest.raises(ValueError, match="must be 8 x 8 pixels, as in training; it is 9 x 8"):
        standalone.prepared(Image.new("RGB", (9, 8)), facts)
