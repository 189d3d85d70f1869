"""Gradients of layers that see little but padding, in bfloat16 on a processor."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from extract.runtime.compiler import has_compiler
from finetune.analysis.lr_range_test import find_learning_rate
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from finetune.training.gradients import sound_gradients
from finetune.training.loop import fit

CPU = torch.device("cpu")


def dirtied() -> None:
    """Leaves NaN in memory that the next allocations may get."""
    for bits in range(4, 18):
        torch.full((1 << bits,), float("nan"))


def gradient(run, layer: nn.Conv2d, inputs: torch.Tensor) -> torch.Tensor:
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = run(inputs)
    dirtied()
    outputs.float().square().sum().backward()
    assert layer.weight.grad is not None
    return layer.weight.grad


@pytest.mark.parametrize(
    ("kernel", "stride", "size"), [(3, 2, (1, 1)), (3, 2, (2, 2)), (7, 2, (2, 1)), (5, 4, (3, 3)), (3, 2, (8, 8))]
)
@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.skipif(not has_compiler(), reason="needs a compiler"))]
)
def test_a_layer_that_sees_little_but_padding_has_the_gradient_of_float32(kernel, stride, size, compiled):
    torch.manual_seed(0)
    layer = nn.Conv2d(48, 64, kernel, stride, kernel // 2).to(memory_format=torch.channels_last)
    inputs = torch.randn(16, 48, *size)
    layer(inputs).square().sum().backward()
    assert layer.weight.grad is not None
    expected = layer.weight.grad.clone()
    with sound_gradients(layer, device=CPU, precision="bfloat16"):
        run = torch.compile(layer, backend="eager") if compiled else layer
        for _ in range(5):
            got = gradient(run, layer, inputs)
            assert functional.mse_loss(got, expected) < 1e-4 * expected.square().mean()


@pytest.mark.parametrize("find", [False, True])
def test_every_training_has_them(find):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Flatten(), nn.Linear(8, 2))
    dtypes = []
    for layer in network[:2]:
        layer.register_forward_hook(lambda layer, _, output: dtypes.append(output.dtype) if layer.training else None)
    images = LabeledImages(torch.randint(0, 256, (20, 3, 4, 4), dtype=torch.uint8), torch.arange(20) % 2)
    recipe = Recipe(epochs=1, batch_size=10, crop=0, flip="none", precision="bfloat16", compile="off")
    given = {"recipe": recipe, "config": TrainConfig(((0.5,) * 3, (0.3,) * 3), device="cpu")}
    if find:
        find_learning_rate(network, images, steps=10, **given)
    else:
        fit(network, images, None, **given)
    assert dtypes[:2] == [torch.bfloat16, torch.float32]  # two pixels are left, then one
    assert set(zip(dtypes[::2], dtypes[1::2], strict=True)) == {(torch.bfloat16, torch.float32)}


def test_padding_by_name_is_taken():
    layer = nn.Conv2d(3, 4, 3, 2, padding="valid")
    with sound_gradients(layer, device=CPU, precision="bfloat16"), torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(2, 3, 3, 3)).dtype == torch.bfloat16


def test_afterwards_on_gpus_and_in_evaluation_a_network_is_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3))
    for device, precision in ((CPU, "float32"), (torch.device("cuda"), "bfloat16")):
        with sound_gradients(network, device=device, precision=precision):
            assert "forward" not in vars(network[0])
    with sound_gradients(network, device=CPU, precision="bfloat16"):
        assert "forward" in vars(network[0])
        assert "forward" not in vars(network[1])
        copied = copy.deepcopy(network)
        with torch.no_grad():
            copied[0].weight.zero_()
        images = torch.randn(2, 3, 2, 2)
        with torch.autocast("cpu", torch.bfloat16):
            trained = network[0](images)
            assert trained.dtype == torch.float32
            assert copied[0](images).sum() != trained.sum()  # a copy computes with its own weights
            with torch.no_grad():
                assert network[0](images).dtype == torch.bfloat16
    assert "forward" not in vars(network[0])
