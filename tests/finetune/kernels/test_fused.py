"""Networks whose norms train by the kernels: the same networks, and afterwards as before."""

import copy

import pytest
import torch
from torch import nn

from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.kernels.fused import fused
from finetune.kernels.library import available
from finetune.recipes import Recipe
from finetune.training import engine
from finetune.training.config import TrainConfig
from finetune.training.loop import fit
from tests.finetune.kernels.reference import error, step

pytestmark = pytest.mark.skipif(not available(), reason="needs Linux and a C++ compiler")
NARROW = {
    "resnet20": {"width": 0.25},
    "resnet18": {"width": 0.0625},
    "resnet50": {"width": 0.0625},
    "preact20": {"width": 0.25},
    "vgg11": {"width": 0.0625},
    "airbench94": {"width": 0.125},
    "test_resnet": {},
}


def built(name):
    return networks.build(name, class_count=3, image_size=32, options=NARROW[name])


@pytest.mark.parametrize("name", NARROW)
def test_a_step_is_as_true_as_torchs_own(name):
    network, images = built(name), torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    exact = step(network, images, "float64")
    ours, own = (
        torch.tensor(list(error(step(network, images, how), exact).values())) for how in ("float32 fused", "float32")
    )
    assert ours.median() < 1e-5
    assert ours.max() < max(20 * own.max(), 1e-4)


def test_all_norms_are_taken_and_given_back():
    for name, count in (("resnet20", 19), ("preact20", 19), ("vgg11", 8)):
        network = built(name)
        kinds = [type(module).__name__ for module in network.modules()]
        assert sum(kind.startswith("BatchNorm") for kind in kinds) == count
        with fused(network):
            assert sum("forward" in vars(one) for one in network.modules() if isinstance(one, nn.BatchNorm2d)) == count
        assert not any("forward" in vars(one) for one in network.modules())


def test_evaluation_and_copies_are_as_before():
    network, images = built("resnet20"), torch.randn(2, 3, 32, 32)
    expected = network.eval()(images)
    with fused(network):
        assert torch.equal(network(images), expected)
        copied = copy.deepcopy(network)
        with torch.no_grad():
            for weight in copied.parameters():
                weight.zero_()
        assert not torch.equal(copied(images), expected)
    with fused(network, active=False):
        assert not any("forward" in vars(one) for one in network.modules())


def test_a_relu_that_is_used_elsewhere_too_stays():
    shared = nn.ReLU()
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), shared, nn.Conv2d(4, 4, 1), shared)
    exact, found = (step(network, torch.randn(2, 3, 4, 4), how) for how in ("float64", "float32 fused"))
    assert (found["output"] >= 0).all()
    assert found.keys() == exact.keys()


def test_a_training_that_is_long_enough_has_them_and_repeats_to_the_bit(monkeypatch):
    monkeypatch.setitem(engine.PAYS_AFTER_FLOPS, "cpu", 0.0)
    draws = torch.Generator().manual_seed(0)
    images = LabeledImages(torch.randint(0, 256, (48, 3, 32, 32), generator=draws).byte(), torch.arange(48) % 3)
    weights, losses = [], {}
    for compile in ("auto", "auto", "off"):
        recipe = Recipe(epochs=2, batch_size=16, learning_rate=0.02, compile=compile, precision="bfloat16")
        config = TrainConfig(((0.5,) * 3, (0.3,) * 3), device="cpu")
        fitted = fit(built("resnet20"), images, None, recipe=recipe, config=config)
        losses[fitted.engine] = fitted.history[-1]["training_loss"]
        weights.append(fitted.network.state_dict())
    assert losses.keys() == {"fused", "eager"}
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert abs(losses["fused"] - losses["eager"]) < 0.05 * losses["eager"]
