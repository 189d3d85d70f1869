"""Exported graphs: what they take, what they give, and that nothing else is left when they are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from extract.errors import InvalidInputError
from heads.registry import head_class, kinds
from pipelines.predict import export
from pipelines.workspace import records
from tests.pipelines.fitting import DIGITS

FITTED = {
    "logistic": [{"C": 0.1}],
    "linear": [{"hidden": (), "epochs": 2}],
    "mlp": [{"hidden": (8,), "epochs": 2}, {"hidden": (8, 6), "epochs": 2, "power": 0.5}],
    "knn": [{"neighbors": 5, "temperature": 0.1}, {"neighbors": 500, "temperature": None, "centred": False}],
    "ridge": [{"alpha": 10.0}],
    "kernel": [{"alpha": 0.1}, {"views": 2, "power": 1.0, "temperature": 0.2}],
    "centroid": [{"metric": "cosine"}, {"metric": "euclidean", "shrinkage": 1.0}],
}


def test_every_kind_of_head_is_here():
    assert set(FITTED) == set(kinds())


@pytest.mark.parametrize(("kind", "options"), [(kind, one) for kind, all_of in FITTED.items() for one in all_of])
def test_a_head_as_a_module_gives_the_head_s_probabilities(kind, options, rng):
    labels = np.tile(rng.integers(0, 4, 100), 2)
    features = (rng.normal(size=(4, 12))[labels] + rng.normal(size=(200, 12)) + 30).astype(np.float32)
    head = head_class(kind)(**options).fit(features, labels)
    logits = head.module()(torch.from_numpy(features)).numpy()
    shares = np.exp(logits - logits.max(1, keepdims=True))
    assert np.abs(shares / shares.sum(1, keepdims=True) - head.predict_proba(features)).max() < 1e-5


def test_one_graph_from_pixels_gives_the_probabilities_of_the_test_scores(pipeline, tmp_path):
    import onnx
    import onnxruntime

    from extract.data import digits

    precise = ("--storage", "float32", "--precision", "float32")
    answer = pipeline("fit-head", *DIGITS, *precise, "--c-grid", "0.01", "--json").json
    path = tmp_path / "digits.onnx"
    words = ("export", "--run", answer["run"], "--format", "onnx", "--output", path, "--calibrated", "--json")
    written = pipeline(*words)
    assert written.status == 0, written.err
    assert written.json["input"] == ["N", 3, 8, 8]
    assert written.json["largest_difference"] < 1e-4
    assert written.json["file_bytes"] == path.stat().st_size
    kept, _ = records.logits(tmp_path / "workspace", answer["run"])
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(["probabilities"], {"images": digits.load().splits["test"].images.array})
    shares = np.exp(kept.astype(np.float64) / answer["temperature"])
    assert np.abs(found - shares / shares.sum(1, keepdims=True)).max() < 1e-4
    facts = {one.key: one.value for one in onnx.load(path).metadata_props}
    assert facts["run"] == answer["run"]
    assert json.loads(facts["classes"]) == [str(digit) for digit in range(10)]


def test_what_cannot_be_exported_is_refused_in_one_sentence(pipeline, tmp_path, monkeypatch):
    import importlib.util

    answer = pipeline("fit-head", *DIGITS, "--c-grid", "0.01", "--validation", "none", "--json").json
    run = ("export", "--run", answer["run"])
    assert "Known: onnx" in pipeline(*run, "--format", "tflite").err
    assert "must be a file that can be written" in pipeline(*run, "--output", tmp_path / "no" / "where.onnx").err
    assert "--validation none" in pipeline(*run, "--calibrated").err
    whole = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "onnx" else whole(name, *more))
    ended = pipeline(*run)
    assert ended.status == 1
    assert "pip install onnx" in ended.err
    assert not list(Path(answer["path"]).glob("*.onnx*"))


@pytest.mark.parametrize("name", ["folder.onnx", "/proc/model.onnx"])
def test_a_place_that_cannot_be_written_is_refused_before_the_run_is_even_looked_for(name, pipeline, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    ended = pipeline("export", "--run", "ffff", "--output", tmp_path / name)
    assert ended.status == 2
    assert "output must be a file that can be written" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.onnx"]


def test_python_too_is_told_before_the_export(tmp_path):
    unused: Any = None
    with pytest.raises(InvalidInputError, match="output must be a file that can be written"):
        export.export(unused, tmp_path, run="x")


def test_a_run_in_bfloat16_says_how_far_its_graph_is_from_predict(pipeline, monkeypatch, tmp_path):
    """The graph computes in float32. Its difference is that from what `predict` gives, not from itself."""
    import onnxruntime
    from PIL import Image

    from extract.data import digits

    reduced = ("--precision", "bfloat16", "--c-grid", "1", "--json")
    run = pipeline("fit-head", *DIGITS, *reduced).json["run"]
    path = tmp_path / "m.onnx"
    monkeypatch.setattr(export, "LARGEST_BYTES", 1000)  # as a model over 2 GB is written
    answer = pipeline("export", "--run", run, "--output", path, "--json").json
    data = path.with_name("m.onnx.data")
    assert answer["file_bytes"] == path.stat().st_size + data.stat().st_size
    images = digits.load().splits["test"].images.array[:3]
    for index, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{index}.png")
    (found,) = onnxruntime.InferenceSession(path).run(["probabilities"], {"images": images})
    words = ("predict", "--run", run, *(tmp_path / f"{index}.png" for index in range(3)), "--json")
    told = pipeline(*words, "--top", 1).json["images"]
    differences = [abs(float(row.max()) - one["top"][0]["probability"]) for row, one in zip(found, told, strict=True)]
    assert answer["compared_images"] == 100
    assert answer["difference_from_predict"] > answer["largest_difference"]
    assert max(differences) <= answer["difference_from_predict"] + 1e-5
