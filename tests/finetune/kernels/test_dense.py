"""Dense blocks whose maps lie in one tensor, against timm's own in float64."""

import gc
import weakref

import pytest
import torch

from finetune.architectures import networks
from finetune.kernels import dense
from finetune.kernels.library import available
from tests.finetune.kernels.reference import error, step

pytestmark = pytest.mark.skipif(not available(), reason="needs Linux and a C++ compiler")


def dense_network(**options):
    return networks.build(
        "densenet-bc", class_count=3, image_size=8, options={"depth": 16, "growth_rate": 6, **options}
    )


def test_gradients_and_statistics_are_those_of_float64():
    network, images = dense_network(), torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    errors = error(step(network, images, "float32 fused"), step(network, images, "float64"))
    assert max(errors.values()) < 1e-4
    assert len(errors) > 100


def test_dropout_draws_what_it_drew():
    network, images = dense_network(dropout=0.3), torch.randn(4, 3, 8, 8)
    found = []
    for how in ("float32", "float32 fused"):
        torch.manual_seed(1)
        found.append(step(network, images, how)["output"])
    assert torch.allclose(found[0], found[1], atol=1e-4)


def test_the_maps_are_free_when_the_step_is_over(monkeypatch):
    made = []

    class Watched(dense._Maps):
        def __init__(self, first, channels):
            super().__init__(first, channels)
            made.append(weakref.ref(self))

    monkeypatch.setattr(dense, "_Maps", Watched)
    gc.disable()
    try:
        step(dense_network(), torch.randn(2, 3, 8, 8), "float32 fused")
        assert len(made) == 3
        assert all(one() is None for one in made)
    finally:
        gc.enable()
