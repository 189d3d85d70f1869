"""Preprocessing that the weights' own file states."""

import json

import pytest
import torch
from safetensors.torch import save_file

from extract.backbones import frozen
from tests.pipelines.cli.inputs.weights import state


@pytest.mark.parametrize("place", ["metadata", "objects", "config.json"])
def test_preprocessing_that_is_written_down_is_used(tmp_path, place):
    from pipelines.specs import Weights

    known = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5], "crop_pct": 1.0, "interpolation": "bicubic"}
    path = tmp_path / "model.safetensors"
    if place == "metadata":
        save_file(state(), path, metadata={"pretrained_cfg": json.dumps(known)})
    elif place == "objects":
        torch.save({"state_dict": state(), "args": known}, path)
    else:
        save_file(state(), path)
        (tmp_path / "config.json").write_text(json.dumps({"architecture": "x", "pretrained_cfg": known}))
    loaded = frozen.load(
        "test_resnet", weights=str(path), preprocessing=Weights.find(str(path), path.parent).preprocessing({})
    )
    assert loaded.preprocessing.mean == (0.1, 0.2, 0.3)
    assert loaded.preprocessing.crop_fraction == 1.0
    assert "as its weights want them" in loaded.notices[-1]
    options = {"mean": [0.9, 0.9, 0.9]}
    fed = frozen.load(
        "test_resnet", weights=str(path), preprocessing=Weights.find(str(path), path.parent).preprocessing(options)
    )
    assert (fed.preprocessing.mean, fed.preprocessing.std) == ((0.9, 0.9, 0.9), (0.5, 0.5, 0.5))
