"""Weights files: which tensors are taken, under which names, fed how; that nothing in them is executed."""

import json
import os
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from extract.backbones import checkpoints, frozen
from extract.errors import CorruptFileError, InvalidInputError
from tests.pipelines.cli.inputs.weights import Hostile, averaged, changed, companions, prefixed, state


def saved(content: object, path: Path) -> str:
    torch.save(content, path)
    return str(path)


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def test_averaged_weights_are_taken_and_others_by_name(tmp_path):
    path = saved(averaged(), tmp_path / "w.pth")
    found = checkpoints.read(path)
    assert same(found.tensors, changed(state()))
    assert "--weights w.pth#state_dict" in found.notices[0]
    assert same(checkpoints.read(f"{path}#state_dict").tensors, state())


def test_two_prefixes_are_never_merged_and_each_can_be_had(tmp_path):
    path = saved({**prefixed(changed(state()), "module."), **state()}, tmp_path / "w.pth")
    with pytest.raises(InvalidInputError, match="one tensor of each name"):
        checkpoints.read(path)
    assert same(checkpoints.read(f"{path}#module").tensors, changed(state()))


def test_harmless_objects_beside_the_tensors_are_no_hindrance(tmp_path):
    torch.save({"state_dict": state(), **companions()}, tmp_path / "w.pth")
    assert same(checkpoints.read(tmp_path / "w.pth").tensors, state())


def test_nothing_of_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorruptFileError, match="Nothing but tensors"):
        checkpoints.read(saved({"state_dict": state(), "more": Hostile()}, tmp_path / "w.pth"))
    assert os.listdir(tmp_path) == ["w.pth"]


@pytest.mark.parametrize("place", ["metadata", "objects", "config.json"])
def test_preprocessing_that_is_written_down_is_used(tmp_path, place):
    from pipelines.specs.own import known_preprocessing

    known = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5], "crop_pct": 1.0, "interpolation": "bicubic"}
    path = tmp_path / "model.safetensors"
    if place == "metadata":
        save_file(state(), path, metadata={"pretrained_cfg": json.dumps(known)})
    elif place == "objects":
        torch.save({"state_dict": state(), "args": known}, path)
    else:
        save_file(state(), path)
        (tmp_path / "config.json").write_text(json.dumps({"architecture": "x", "pretrained_cfg": known}))
    loaded = frozen.load("test_resnet", weights=str(path), preprocessing=known_preprocessing(str(path), {}))
    assert loaded.preprocessing.mean == (0.1, 0.2, 0.3)
    assert loaded.preprocessing.crop_fraction == 1.0
    assert "as its weights want them" in loaded.notices[-1]
    options = {"mean": [0.9, 0.9, 0.9]}
    fed = frozen.load("test_resnet", weights=str(path), preprocessing=known_preprocessing(str(path), options))
    assert (fed.preprocessing.mean, fed.preprocessing.std) == ((0.9, 0.9, 0.9), (0.5, 0.5, 0.5))


def test_what_is_assumed_is_said(tmp_path):
    loaded = frozen.load("test_resnet", weights=saved(state(), tmp_path / "w.pth"))
    assert "w.pth does not say its preprocessing: test_resnet's is assumed" in loaded.notices[-1]


def test_position_embeddings_are_resampled_as_timm_does(tmp_path):
    source = timm.create_model("test_vit", img_size=96)
    path = saved(source.state_dict(), tmp_path / "w.pth")
    theirs = timm.create_model("test_vit", img_size=64, num_classes=0, pretrained=True,
                               pretrained_cfg_overlay={"state_dict": source.state_dict()})  # fmt: skip
    ours = frozen.load("test_vit", weights=path, image_size=64).module
    assert same(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224"])
def test_tables_of_relative_positions_follow_the_image_size(tmp_path, name):
    """With a buffer of old checkpoints that timm's filter leaves out."""
    size = {"depths": (1, 1), "num_heads": (1, 2), "embed_dim": 8}
    source = timm.create_model(name, **size, img_size=112, window_size=7, num_classes=0)
    found = checkpoints.Checkpoint("w", {**source.state_dict(), "layers.0.blocks.0.attn_mask": torch.ones(1)}, {})
    from extract.backbones import weights_fit

    target = timm.create_model(name, **size, img_size=64, window_size=4, num_classes=0)
    fresh, _ = weights_fit.load(target, found, free=weights_fit.Free())
    assert fresh == ()


@pytest.mark.parametrize(
    ("old", "new"), [("vit_small_patch16_224_dino", "vit_small_patch16_224.dino"), ("resnet18", "resnet18")]
)
def test_deprecated_names_are_resolved(old, new):
    assert frozen.current_name(old) == new
