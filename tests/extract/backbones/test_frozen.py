"""Backbones: widths, weights, and that frozen means frozen."""

import functools
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from extract.backbones import frozen
from extract.errors import InvalidInputError
from extract.features.embed import Encoder


def test_the_embedding_is_as_wide_as_timm_says():
    for name, width in [("test_resnet", 96), ("vgg11", 4096), ("test_vit", 64)]:
        loaded = frozen.load(name, weights="untrained")
        assert loaded.dimension == width == loaded.module.head_hidden_size


def test_resnet50_costs_what_is_published():
    loaded = frozen.load("resnet50", weights="untrained", image_size=224)
    assert loaded.parameter_count == 23_508_032  # 25,557,032 with the classifier of 1000 classes
    assert loaded.flops == pytest.approx(8.18e9, rel=0.01)


def test_untrained_weights_follow_the_seed_and_touch_no_global_state():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    digests = [frozen.load("test_resnet", weights="untrained", seed=seed).weights_sha256 for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    assert torch.equal(before, torch.get_rng_state())


def test_threads_that_draw_weights_at_a_time_get_those_of_their_seeds_and_touch_no_global_state():
    before, interval = torch.get_rng_state(), sys.getswitchinterval()
    load = functools.partial(frozen.load, "test_resnet", weights="untrained")
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda seed: load(seed=seed).weights_sha256, [0, 1] * 4))
    finally:
        sys.setswitchinterval(interval)
    assert found == [load(seed=seed).weights_sha256 for seed in (0, 1)] * 4
    assert torch.equal(before, torch.get_rng_state())


def test_a_damaged_weights_file_is_refused(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not at all")
    with pytest.raises(InvalidInputError, match="must be a safetensors or torch file"):
        frozen.load("test_resnet", weights=str(tmp_path / "bad.safetensors"))


def test_extraction_changes_neither_weights_nor_statistics():
    loaded = frozen.load("test_resnet", weights="untrained")
    encoder = Encoder(loaded, resize=None, precision="float32").eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.no_grad():
        encoder(torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8))
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
