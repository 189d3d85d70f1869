"""Batch normalization with a ReLU, or a sum and a ReLU, against torch's own in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from finetune.kernels import norms
from finetune.kernels.library import available
from tests.finetune.kernels.reference import error

pytestmark = pytest.mark.skipif(not available(), reason="needs Linux and a C++ compiler")
SHAPES = [(2, 1, 1, 1), (3, 5, 1, 7), (4, 16, 8, 8), (3, 33, 5, 3), (2, 300, 3, 3), (64, 24, 4, 4)]
ENDS = ["norm", "relu", "sum"]


def layer_and_maps(shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layer = nn.BatchNorm2d(shape[1], momentum=0.3)
    with torch.no_grad():
        layer.weight.copy_(torch.rand(shape[1], generator=generator) + 0.5)
        layer.bias.copy_(torch.randn(shape[1], generator=generator))
    maps, other, gradient = (
        (offset + torch.randn(shape, generator=generator)).to(dtype).contiguous(memory_format=torch.channels_last)
        for offset in (7.0, 0.0, 0.0)
    )
    return layer, maps, other, gradient


def results(layer, maps, other, gradient, *, end, compute):
    maps, other = maps.clone().requires_grad_(), other.clone().requires_grad_()
    output = compute(layer, maps, relu=end == "relu", other=other if end == "sum" else None)
    output.backward(gradient)
    found = {"output": output, "maps": maps.grad, "weight": layer.weight.grad, "bias": layer.bias.grad}
    found |= {"other": other.grad} if end == "sum" else {}
    return {name: value.detach().double() for name, value in (found | layer.state_dict()).items()}


def plainly(layer, maps, *, relu, other):
    found = layer(maps)
    found = found if other is None else found + other
    return functional.relu(found) if relu or other is not None else found


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 2e-6), (torch.bfloat16, 8e-3)])
def test_the_numbers_are_those_of_float64_within_rounding(shape, dtype, rounding, end):
    layer, *values = layer_and_maps(shape, dtype)
    found = results(layer, *values, end=end, compute=norms.normalized)
    exact_layer, *_ = layer_and_maps(shape, dtype)
    exact = results(exact_layer.double(), *(one.double() for one in values), end=end, compute=plainly)
    errors = error(found, exact)
    of_maps = {"output", "maps", "other"} & errors.keys()
    if shape[0] * shape[2] * shape[3] == 2:  # the gradient of two values is zero but for eps: nothing is left of it
        of_maps -= {"maps"}
        del errors["maps"], errors["weight"]
    assert max(errors[name] for name in of_maps) < rounding
    assert max(errors[name] for name in errors.keys() - of_maps) < 5e-6  # sums are float32 or more in any case


def test_they_do_not_depend_on_the_threads():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            layer, *values = layer_and_maps((16, 24, 16, 16), torch.bfloat16)
            found.append(results(layer, *values, end="relu", compute=norms.normalized))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one[name], found[0][name]) for one in found for name in one)


def test_what_is_no_number_stays_so():
    layer, maps, _, _ = layer_and_maps((2, 4, 3, 3), torch.bfloat16)
    maps[0, 1, 0, 0] = float("nan")
    output = norms.normalized(layer, maps.requires_grad_(), relu=True)
    assert output[:, 1].isnan().all()
    assert output[:, [0, 2, 3]].isfinite().all()


@pytest.mark.parametrize("change", ["evaluation", "no gradient", "no weights", "no momentum"])
def test_what_they_do_not_compute_is_left_to_torch(change):
    layer, maps, _, _ = layer_and_maps((2, 4, 3, 3), torch.float32)
    if change == "evaluation":
        layer.eval()
    if change == "no weights":
        layer.affine = False
    if change == "no momentum":
        layer.momentum = None
    maps.requires_grad_(change != "no gradient")
    assert not norms.takes(layer, maps)
    expected = functional.relu(layer(maps))
    layer.reset_running_stats() if change != "evaluation" else None
    assert torch.equal(norms.normalized(layer, maps, relu=True), expected)
