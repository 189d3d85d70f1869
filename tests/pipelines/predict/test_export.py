"""Exported graphs: what they take, what they give, and that nothing else is left when they are refused."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from extract.data import digits
from extract.decoding.decode import decode
from extract.errors import InvalidInputError
from heads.registry import head_class, kinds
from pipelines.predict import export, onnx_file
from pipelines.workspace import records
from tests.pipelines.fitting import DIGITS, UNTRAINED

FITTED = {
    "logistic": [{"C": 0.1}],
    "linear": [{"hidden": (), "epochs": 2}],
    "mlp": [{"hidden": (8,), "epochs": 2}, {"hidden": (8, 6), "epochs": 2, "power": 0.5}],
    "knn": [{"neighbors": 5, "temperature": 0.1}, {"neighbors": 500, "temperature": None, "centered": False}],
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


def by_timm(folder, images):
    """(probabilities, class names) of RGB images by timm alone."""
    import timm

    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    with torch.no_grad():
        found = network(torch.stack([transform(image) for image in images])).softmax(1)
    return found.numpy(), network.pretrained_cfg["label_names"]


def test_one_graph_from_pixels_gives_the_probabilities_of_the_test_scores(pipeline, tmp_path):
    import onnx
    import onnxruntime

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


def test_photographs_of_any_size_get_the_probabilities_of_predict_from_the_script_alone_and_from_timm(
    pipeline, photo_folder, tmp_path, capfd
):
    how = ("--image-size", 64, "--storage", "float32", "--precision", "float32", "--c-grid", "0.01")
    run = pipeline("fit-head", *UNTRAINED, "--dataset", photo_folder, *how, "--json").json["run"]
    export = ("export", "--run", run, "--calibrated", "--json")
    exported = pipeline(*export, "--output", tmp_path / "photos.onnx").json
    assert (exported["input"], exported["other_classes"]) == (["N", 3, 64, 64], 0)
    assert max(exported["largest_difference"], exported["difference_from_predict"]) < 1e-4
    photos = sorted(path for path in photo_folder.rglob("*") if path.is_file())
    words = ("predict", "--run", run, *photos, "--exact", "--calibrated", "--json")
    expected = [(one["path"], *one["top"][0].values()) for one in pipeline(*words).json["images"]]
    script, readme = map(Path, exported["beside"])
    (bad := tmp_path / "bad.png").write_text("no image")
    assert runpy.run_path(str(script))["main"]([*map(str, photos), str(bad), "--top", "1"]) == 2
    out, err = capfd.readouterr()
    assert out.splitlines() == [f"{path}: {name} {100 * share:.1f} %" for path, name, share in expected]
    assert err == f"error: {bad} cannot be classified: it is no image that Pillow can read\n"
    assert f"python {script.name} photo.jpg" in readme.read_text()

    pipeline(*export, "--format", "timm", "--output", tmp_path / "timm")
    found, classes = by_timm(tmp_path / "timm", [decode(path) for path in photos])
    assert np.abs(found.max(1) - [share for *_, share in expected]).max() < 1e-4
    assert [classes[one] for one in found.argmax(1)] == [name for _, name, _ in expected]
    again = pipeline(*export, "--format", "timm", "--output", tmp_path / "timm")
    assert (again.status, "must be a new folder" in again.err) == (2, True)


def test_a_trained_network_is_a_program_of_torch_and_a_network_of_timm(pipeline, tmp_path):
    words = ("--dataset", "digits", "--image-size", 32, "--subset", 100, "--batch-size", 50, "--epochs", 1, "--json")
    run = pipeline("train", "test_resnet", *words).json["run"]
    kept, _ = records.logits(tmp_path / "workspace", run)
    expected = np.exp(kept.astype(np.float64)) / np.exp(kept.astype(np.float64)).sum(1, keepdims=True)
    images, export = digits.load().splits["test"].images.array, ("export", "--run", run, "--json", "--format")
    exported = pipeline(*export, "torch", "--output", tmp_path / "digits.pt2").json
    assert exported["input"] == ["N", 3, 8, 8]
    inside = {"facts.json": ""}
    program = torch.export.load(tmp_path / "digits.pt2", extra_files=inside).module()
    assert np.abs(program(torch.from_numpy(images)).numpy() - expected).max() < 1e-4
    facts, names = json.loads(inside["facts.json"]), [str(digit) for digit in range(10)]
    assert (facts["run"], facts["classes"]) == (run, names)
    exported = pipeline(*export, "timm", "--output", tmp_path / "digits").json
    found, classes = by_timm(tmp_path / "digits", [Image.fromarray(image.transpose(1, 2, 0)) for image in images])
    assert np.abs(found - expected).max() < 1e-4
    assert classes == names
    readme = (tmp_path / "digits" / "README.md").read_text()
    assert f"Test accuracy of run {run} on digits" in readme
    assert not re.search(r"\{\w+\}", readme)


def test_a_full_disk_is_told_whatever_library_meets_it(pipeline, tmp_path):
    resource = pytest.importorskip("resource")
    run = pipeline("fit-head", *DIGITS, "--c-grid", 0.01, "--json").json["run"]
    for form, file in (("torch", "full.pt2"), ("onnx", "full.onnx"), ("timm", "full")):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))  # as a disk with so much room
        try:
            ended = pipeline("export", "--run", run, "--format", form, "--output", tmp_path / file)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert ended.status == 1
        assert "disk must have room for" in ended.err
        assert not [path for path in tmp_path.iterdir() if path.name.startswith("full")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fit-head", *DIGITS, "--head", "knn"), "must be of a head that is one layer"),
        (("fit-head", *DIGITS, "--head", "centroid", "--pool", "max"), "must be of a head that is one layer"),
        (("train", "resnet20", "--width", 0.25, "--dataset", "digits", "--subset", 200, "--epochs", 1), "got resnet20"),
    ],
)
def test_what_timm_does_not_build_is_refused_and_leaves_nothing(pipeline, tmp_path, words, sentence):
    run = pipeline(*words, "--json").json["run"]
    ended = pipeline("export", "--run", run, "--format", "timm", "--output", tmp_path / "model")
    assert ended.status == 2
    assert sentence in ended.err
    assert "Use --format onnx or torch" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workspace"]


def test_what_cannot_be_exported_is_refused_in_one_sentence(pipeline, tmp_path, monkeypatch):
    import importlib.util

    answer = pipeline("fit-head", *DIGITS, "--c-grid", "0.01", "--validation", "none", "--json").json
    run = ("export", "--run", answer["run"])
    assert "Known: onnx, timm, torch" in pipeline(*run, "--format", "tflite").err
    assert "must be a file that can be written" in pipeline(*run, "--output", tmp_path / "no" / "where.onnx").err
    assert "--validation none" in pipeline(*run, "--calibrated").err
    whole = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "onnx" else whole(name, *more))
    ended = pipeline(*run)
    assert ended.status == 1
    assert "pip install onnx" in ended.err
    assert not list(Path(answer["path"]).glob("*.onnx*"))


@pytest.mark.parametrize(
    ("name", "form"),
    [("folder.onnx", "onnx"), ("/proc/model.onnx", "onnx"), ("no/where", "timm"), ("/proc/here", "timm")],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_run_is_even_looked_for(name, form, pipeline, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    ended = pipeline("export", "--run", "ffff", "--format", form, "--output", tmp_path / name)
    assert ended.status == 2
    assert "output must be a file that can be written" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.onnx"]


def test_python_too_is_told_before_the_export(tmp_path):
    unused: Any = None
    with pytest.raises(InvalidInputError, match="output must be a file that can be written"):
        export.export(unused, tmp_path, run="x")


def test_a_run_in_bfloat16_says_how_far_its_graph_is_from_predict(pipeline, monkeypatch, tmp_path):
    """The graph computes in float32. Its difference is that from what `predict` gives, not from itself."""
    import onnx
    import onnxruntime

    reduced = ("--precision", "bfloat16", "--c-grid", "1", "--json")
    run = pipeline("fit-head", *DIGITS, *reduced).json["run"]
    path = tmp_path / "m.onnx"
    monkeypatch.setattr(onnx_file, "LARGEST_BYTES", 1000)  # as a model over 2 GB is written
    answer = pipeline("export", "--run", run, "--output", path, "--json").json
    data = path.with_name("m.onnx.data")
    assert answer["file_bytes"] == path.stat().st_size + data.stat().st_size
    images = digits.load().splits["test"].images.array[:3]
    for index, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{index}.png")
    (found,) = onnxruntime.InferenceSession(path).run(["probabilities"], {"images": images})
    facts = {one.key: one.value for one in onnx.load(path, load_external_data=False).metadata_props}
    assert (facts["run"], json.loads(facts["classes"])) == (run, [str(digit) for digit in range(10)])
    words = ("predict", "--run", run, *(tmp_path / f"{index}.png" for index in range(3)), "--json")
    told = pipeline(*words, "--top", 1).json["images"]
    differences = [abs(float(row.max()) - one["top"][0]["probability"]) for row, one in zip(found, told, strict=True)]
    assert answer["compared_images"] == 100
    assert answer["difference_from_predict"] > answer["largest_difference"]
    assert max(differences) <= answer["difference_from_predict"] + 1e-5
