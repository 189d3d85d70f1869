"""What a description states, against values from hand, torch's own counter, and gradients of real pixels."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from extract.backbones.cost import cost, weight_bytes
from extract.errors import InvalidInputError
from finetune.analysis.describe import describe
from finetune.architectures import networks


@pytest.mark.parametrize(
    ("name", "size", "fields"),
    [
        ("resnet20", 32, [3, 15, 37, 81, None]),  # 3; + 6 x 2; + 2 + 5 x 4; + 4 + 5 x 8
        ("vgg16", 32, [6, 16, 44, 100, 212, None]),  # behind each pooling
        ("resnet18", 224, [11, 43, 99, 211, 435, None]),  # stem with its pooling: 7 + 2 x 2
        ("airbench94", 32, [2, 9, 23, 51, None]),
    ],
)
def test_receptive_fields_are_those_from_hand(name, size, fields):
    assert [stage.receptive_field for stage in describe(name, image_size=size).stages] == fields


def smooth(network: nn.Module) -> nn.Module:
    """The network with positive weights and averages for maxima, so that no path of a gradient is cut or cancelled."""
    for path, module in list(network.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            parent, _, last = path.rpartition(".")
            setattr(network.get_submodule(parent), last, nn.AvgPool2d(module.kernel_size, module.stride))
    for parameter in network.parameters():
        parameter.data.abs_().add_(0.01)
    return network.eval().double()


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("resnet8", {"width": 0.5}, 64),
        ("preact8", {"width": 0.5}, 64),
        ("densenet-bc-16-4", {}, 96),
        ("vgg11", {"width": 0.125, "stem": "cifar"}, 352),
        ("airbench94", {"width": 0.125}, 129),
    ],
)
def test_receptive_fields_are_where_gradients_reach(name, options, size):
    stated = describe(name, image_size=size, options=options).stages[-2].receptive_field
    network = smooth(networks.build(name, n_classes=2, image_size=size, options=options))
    images = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    maps = network.forward_features(images)  # type: ignore[operator]
    middle = maps.shape[-1] // 2
    maps[:, :, middle, middle].sum().backward()
    assert images.grad is not None
    rows, columns = images.grad[0].abs().sum(0).nonzero(as_tuple=True)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == stated


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, 32) for name in ("resnet20", "preact20", "densenet-bc-40-12", "vgg11", "airbench94")),
        *((name, 64) for name in ("test_efficientnet", "test_convnext", "test_resnet")),
        ("test_vit", 160),
        ("resnet18", 224),
    ],
)
def test_stages_add_up_to_the_network(name, size):
    network = networks.build(name, n_classes=7, image_size=size).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # the counter does not know fused attention on CPUs
        network(torch.zeros(1, 3, size, size))
    description = describe(name, n_classes=7, image_size=size)
    assert description.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert description.weight_bytes == weight_bytes(network)
    assert 2 * description.macs == counter.get_total_flops()
    counted = cost(network, image_size=(size, size))
    assert counted.flops == counter.get_total_flops()
    assert counted.activation_bytes == description.activation_bytes
    assert description.stages[-1].output_shape == (7,)
    assert [stage.name for stage in description.stages[:-1]] == [stage for stage, _ in networks.stages(network)]


@pytest.mark.parametrize(
    ("name", "size", "depth"),
    [
        *((f"resnet{depth}", 32, depth) for depth in (18, 34, 50, 20)),
        *((f"preact{depth}", 32, depth) for depth in (18, 50, 56)),
        ("densenet121", 32, 121),
        ("densenet-bc-40-12", 32, 40),
        *((f"vgg{depth}", 224, depth) for depth in (11, 19)),
        ("vgg16", 32, 14),  # without the two wide layers
    ],
)
def test_layers_are_counted_as_in_the_name(name, size, depth):
    assert describe(name, image_size=size).layers == depth


def test_a_stage_in_numbers_from_hand():
    stem, first, second, third, head = describe("resnet8", image_size=32, n_classes=10).stages
    shapes = [stage.output_shape for stage in (stem, first, second, third, head)]
    assert shapes == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8), (10,)]
    assert (stem.parameters, stem.macs) == (3 * 16 * 9 + 2 * 16, 3 * 16 * 9 * 32 * 32)
    assert (first.parameters, first.macs) == (2 * (16 * 16 * 9 + 2 * 16), 2 * 16 * 16 * 9 * 32 * 32)
    map_bytes, statistics = 4 * 16 * 32 * 32, 4 * 2 * 16
    assert stem.activation_bytes == 2 * map_bytes + statistics  # convolution, norm; ReLU and sum happen in place
    assert first.activation_bytes == 2 * stem.activation_bytes
    assert (head.parameters, head.macs) == (64 * 10 + 10, 640)


def test_attention_and_gates_see_the_whole_image_and_patches_do_not():
    stages = describe("test_vit", image_size=160).stages
    assert stages[0].receptive_field == 16
    assert stages[1].receptive_field is None
    assert [stage.receptive_field for stage in describe("convnext_atto", image_size=64).stages][:3] == [4, 52, 152]


def test_sizes_that_are_not_given_are_the_usual_ones():
    assert [describe(name).image_size for name in ("resnet20", "vgg16", "test_vit")] == [32, 32, 160]


def test_nothing_is_drawn_from_a_global_generator_and_nothing_is_computed():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    describe("vgg19", image_size=224, n_classes=1000)
    assert torch.equal(torch.rand(2), expected)


def test_what_cannot_be_built_cannot_be_described():
    with pytest.raises(InvalidInputError, match="at least 32 pixels"):
        describe("vgg16", image_size=16)
