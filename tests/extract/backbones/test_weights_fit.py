"""Weights of a file fitted to a network of another size."""

import pytest
import timm
import torch

from extract.backbones import checkpoints, frozen
from tests.extract.backbones.kept import same, saved
from tests.pipelines.cli.inputs.weights import state


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
