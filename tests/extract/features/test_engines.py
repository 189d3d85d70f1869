"""Engines: which one a run gets, and that each gives the embeddings of the eager network."""

import numpy as np
import pytest
import torch

from extract.backbones import frozen
from extract.data import digits
from extract.data.images import Pixels
from extract.errors import InvalidInputError, UnavailableError
from extract.features import embed, engines
from extract.features.embed import source
from extract.runtime import openvino_model
from extract.runtime.compiler import has_compiler
from extract.runtime.machine import processor_has_bfloat16

pytestmark = pytest.mark.arithmetic
needs_openvino = pytest.mark.skipif(not openvino_model.is_installed(), reason="openvino is not installed")


def choose(requested="auto", *, count=60_000, size=224, device="cpu", precision="bfloat16", network=None):
    network = network or torch.nn.Conv2d(3, 4, 3)
    return engines.choose_engine(
        requested, network=network, precision=precision, image_count=count, image_size=(size, size), device=device
    )[0]


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine one with a compiler and OpenVINO, or without; and with the bfloat16 units named."""

    def machine(*, compiler=True, openvino=True, units="amx_bf16", architecture="x86_64"):
        monkeypatch.setattr(engines, "has_compiler", lambda: compiler)
        monkeypatch.setattr(openvino_model, "is_installed", lambda: openvino)
        monkeypatch.setattr(engines, "bf16_units", lambda: units)
        monkeypatch.setattr(openvino_model, "bf16_units", lambda: units)
        monkeypatch.setattr(openvino_model.platform, "machine", lambda: architecture)

    return machine


def test_the_engine_follows_the_size_of_the_whole_run(machine):
    machine(openvino=False)
    assert [choose(count=count, size=size) for count, size in ((60_000, 224), (1797, 224), (60_000, 32))] == [
        "compiled", "eager", "eager",
    ]  # fmt: skip
    machine(openvino=False, compiler=False)
    assert choose() == "eager"
    machine()
    assert [choose(count=count) for count in (60_000, 1797, 100)] == ["openvino", "openvino", "eager"]
    assert choose(device="cuda:0") == "eager"


def test_openvino_is_chosen_for_layers_and_processors_on_which_it_was_measured(machine):
    machine()
    assert choose(network=torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.LSTM(4, 4))) == "compiled"
    for name in ("test_resnet", "test_vit", "test_efficientnet"):
        assert choose(network=frozen.load(name, weights="untrained", image_size=32).module) == "openvino"
    assert choose(network=frozen.load("test_convnext", weights="untrained", image_size=32).module) == "compiled"
    with torch.device("meta"):
        assert choose(network=torch.nn.Conv2d(10_000, 10_000, 1)) == "compiled"
    assert choose(precision="float32") == "openvino"
    machine(units="")
    assert [choose(), choose(precision="float32")] == ["compiled", "openvino"]
    machine(units="bf16", architecture="aarch64")
    assert [choose(), choose(precision="float32")] == ["compiled", "compiled"]


def test_an_engine_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(InvalidInputError, match=r"unknown inference 'openvin'\. Nearest: openvino"):
        choose("openvin")


def test_an_engine_that_cannot_run_here_is_refused_with_what_to_do(machine):
    machine(openvino=False, compiler=False, units="")
    with pytest.raises(UnavailableError, match=r"package openvino must be installed .* pip install openvino"):
        choose("openvino")
    with pytest.raises(UnavailableError, match="compiler must work"):
        choose("compiled")
    machine(units="")
    with pytest.raises(InvalidInputError, match="device must be cpu"):
        choose("openvino", device="cuda:0")
    with pytest.raises(InvalidInputError, match="without bfloat16 units"):
        choose("openvino", precision="bfloat16")


def parts(name, *, precision="float32", image_size=32):
    images = Pixels(digits.load().splits["test"].images.array[:50])
    backbone = frozen.load(name, weights="untrained", image_size=image_size)
    one = source(images, backbone.preprocessing)
    return one, embed.Encoder(backbone, resize=one.resize, precision=precision)


def embedded(one, encoder, ranges, *, engine="openvino", batch_size=8, views=("plain",)):
    embedder = engines.embedder(
        encoder, engine=engine, device="cpu", batch_size=batch_size, notice=pytest.fail, views=views
    )
    return torch.cat([block.features for block in embedder.blocks(one, ranges)], 1)


@needs_openvino
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_openvino_gives_the_features_of_the_eager_network_wherever_the_run_was_cut(name):
    one, encoder = parts(name)
    views = embed.VIEWS["flip"]
    whole = embedded(one, encoder, [(0, 50)], views=views)
    torch.testing.assert_close(
        whole, embedded(one, encoder, [(0, 50)], engine="eager", views=views), rtol=1e-3, atol=1e-4
    )
    assert torch.equal(whole, embedded(one, encoder, [(0, 16), (16, 24), (24, 50)], views=views))
    assert torch.equal(whole[:1], embedded(one, encoder, [(0, 50)]))


@needs_openvino
def test_openvino_resizes_to_the_very_levels_of_the_eager_network():
    one, encoder = parts("test_resnet", image_size=48)
    encoder.network, encoder.normalize = torch.nn.Flatten(), torch.nn.Identity()
    assert torch.equal(*(embedded(one, encoder, [(0, 50)], engine=engine) for engine in ("openvino", "eager")))


class Mixed(torch.nn.Module):
    """A difference of channels that bfloat16 cannot hold, taken in float32, and then a convolution in bfloat16."""

    def __init__(self):
        super().__init__()
        self.exact = torch.nn.Conv2d(3, 3, 1, groups=3)
        self.exact.weight.data.fill_(1 / 256)
        self.exact.bias.data.fill_(1000.0)
        self.reduced = torch.nn.Conv2d(3, 8, 3, dtype=torch.bfloat16)

    def forward(self, levels):
        return self.reduced((self.exact(levels) - 1000).bfloat16()).flatten(1).float()


@needs_openvino
@pytest.mark.skipif(not processor_has_bfloat16(), reason="this processor has no bfloat16 units")
def test_layers_in_float32_stay_so_before_those_in_bfloat16():
    one, encoder = parts("test_resnet")
    encoder.network, encoder.normalize = Mixed(), torch.nn.Identity()
    got, eager = (embedded(one, encoder, [(0, 50)], engine=engine)[0] for engine in ("openvino", "eager"))
    assert torch.nn.functional.cosine_similarity(got, eager).min() > 0.9999
    torch.testing.assert_close(got, eager, rtol=0.02, atol=0.01)


@needs_openvino
@pytest.mark.skipif(not processor_has_bfloat16(), reason="this processor has no bfloat16 units")
def test_bfloat16_features_of_openvino_are_as_true_as_those_of_the_eager_network():
    exact = embedded(*parts("test_efficientnet"), [(0, 50)], engine="eager")[0]
    one, encoder = parts("test_efficientnet", precision="bfloat16")
    reduced = [embedded(one, encoder, [(0, 50)], engine=engine)[0] for engine in ("openvino", "eager")]
    error, usual = (1 - torch.nn.functional.cosine_similarity(exact, features).min() for features in reduced)
    assert 1e-7 < error < 2 * usual


@pytest.mark.skipif(not has_compiler(), reason="compiling needs a C++ compiler")
def test_compiled_features_are_those_of_the_eager_network():
    backbone = frozen.load("test_resnet", weights="untrained", image_size=32)
    for stage in ("layer2", "layer3", "layer4"):  # each takes a second to compile
        setattr(backbone.module, stage, torch.nn.Identity())
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), np.uint8))
    model = embed.Encoder(backbone, resize=None, precision="float32")
    with torch.no_grad():
        eager = model.eval()(images)
        compiled = engines.build(model, engine="compiled", device="cpu")(images)
    torch.testing.assert_close(compiled, eager, rtol=1e-3, atol=1e-4)
