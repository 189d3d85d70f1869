"""Receptive fields against gradients: enlarged maps, windows that are shifted, positions mixed by a transposition."""

import pytest
import torch
from torch import Tensor, nn

from extract.backbones.cost import shell
from finetune.analysis.describe import describe
from finetune.analysis.trace import trace

SIZE = 64


class Windows(nn.Module):
    """Attention within windows of 4 positions of a side, after the map was rolled by 2, and rolled back."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, maps: Tensor) -> Tensor:
        side = maps.shape[-1]
        rolled = maps.roll((-self.shift, -self.shift), (2, 3))
        windows = rolled.unflatten(2, (-1, 4)).unflatten(4, (-1, 4)).permute(0, 2, 4, 3, 5, 1)
        tokens = windows.reshape(-1, 16, maps.shape[1])
        mixed = (tokens @ tokens.transpose(1, 2)).softmax(2) @ tokens
        back = mixed.reshape(1, side // 4, side // 4, 4, 4, -1).permute(0, 5, 1, 3, 2, 4)
        return back.reshape(maps.shape).roll((self.shift, self.shift), (2, 3))


class Mixer(nn.Module):
    """A linear layer over positions."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.linear = nn.Linear(positions, positions)

    def forward(self, maps: Tensor) -> Tensor:
        return self.linear(maps.flatten(2)).reshape(maps.shape)


class Radix(nn.Module):
    """The sum over two groups of channels, and the greatest of two, each without the dimension that it took away."""

    def forward(self, maps: Tensor) -> Tensor:
        summed = maps.unflatten(1, (2, -1)).sum(1)
        return summed.unflatten(1, (-1, 2)).amax(2)


def patches(side: int) -> nn.Module:
    return nn.Conv2d(3, 2, side, stride=side)


NETWORKS = {
    "dilated": nn.Sequential(nn.Conv2d(3, 4, 3, padding=2, dilation=2), nn.Conv2d(4, 2, 3, 2, 1, groups=2)),
    "reflected": nn.Sequential(nn.Conv2d(3, 2, 3, 2, 1), nn.ReflectionPad2d(1), nn.AvgPool2d(3, 2)),
    "replicated": nn.Sequential(
        nn.ReplicationPad2d((2, 1, 2, 1)), nn.Conv2d(3, 2, 4, 2), nn.Conv2d(2, 2, 3, padding=1)
    ),
    "nearest": nn.Sequential(nn.Conv2d(3, 2, 3, 4, 1), nn.Upsample(scale_factor=4), nn.Conv2d(2, 2, 3, padding=1)),
    "bilinear": nn.Sequential(
        nn.Conv2d(3, 2, 3, 4, 1), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(2, 2, 3, padding=1)
    ),
    "windows": nn.Sequential(patches(2), Windows(0)),
    "shifted": nn.Sequential(patches(2), Windows(0), Windows(2)),
    "positions": nn.Sequential(patches(8), Mixer(64)),
    "gate": nn.Sequential(patches(4), nn.Conv2d(2, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Upsample(16)),
    "radix": nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), Radix(), nn.Conv2d(2, 2, 3, padding=1)),
    "halves": nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 8, 3, padding=1), nn.PixelShuffle(2)),
}


def reached(network: nn.Module) -> int:
    """The width of the region that the middle position depends on."""
    images = torch.rand(1, 3, SIZE, SIZE, dtype=torch.float64, requires_grad=True)
    maps = network(images)
    middle = maps[..., maps.shape[2] // 2, maps.shape[3] // 2]
    (middle * torch.rand_like(middle)).sum().backward()
    assert images.grad is not None
    columns = images.grad[0].abs().sum((0, 1)).nonzero()
    return int(columns.max() - columns.min()) + 1


@pytest.mark.parametrize("name", NETWORKS)
def test_the_field_is_what_gradients_reach(name):
    network = NETWORKS[name].double()
    steps = trace(shell(network).float(), image_size=SIZE).steps
    assert (steps[-1].receptive_field.field or SIZE) == reached(network)


def test_enlarged_maps_do_not_keep_the_coarser_step():
    described = describe("hrnet_w18_small", image_size=64)
    assert [stage.receptive_field for stage in described.stages] == [7, 23, 103, 263, 519, 583, None]


def test_the_last_map_of_convnext_is_not_behind_the_pooling():
    *_, last, head = describe("convnext_atto", image_size=224).stages
    assert (last.output_shape, head.output_shape) == ((320, 7, 7), (10,))


def test_attention_is_counted_at_every_size():
    width, tokens, patch = 384, 24 * 24 + 1, 3 * 16 * 16
    layer = 12 * tokens * width**2 + 2 * tokens**2 * width  # qkv, projection and the two of the MLP; two products
    macs = 576 * patch * width + 12 * layer + width * 10
    assert describe("vit_small_patch16_384", image_size=384).macs == macs
