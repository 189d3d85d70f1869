"""Networks by name: sizes as published, right at the start, stages that leave nothing out."""

import math

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from finetune.architectures import networks
from tests.finetune.architectures.shapes import on_meta

SMALL = [
    ("resnet20", {}),
    ("resnet18", {"width": 0.25}),
    ("resnet50", {"width": 0.125}),
    ("preact20", {}),
    ("preact18", {"width": 0.25}),
    ("preact164", {"width": 0.5}),
    ("densenet-bc-40-12", {}),
    ("densenet-bc-16-8", {}),
    ("vgg11", {"width": 0.25}),
    ("vgg11", {"width": 0.25, "norm": "none"}),
    ("airbench94", {"width": 0.5}),
]
SHALLOW = [one for one in SMALL if one[0] not in ("preact164", "densenet-bc-40-12", "resnet50")]
OTHERS = ["test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_byobnet", "test_mambaout"]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, size: int) -> int:
    """Multiply-adds by torch's own counter."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.eval()(torch.zeros(1, 3, size, size, device=next(network.parameters()).device))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("name", "options", "parameters", "million_macs"),
    [
        ("resnet18", {}, 11_173_962, 555),
        ("resnet34", {}, 21_282_122, 1159),
        ("resnet50", {}, 23_520_842, 1298),
        ("preact18", {}, 11_172_170, 555),
        ("densenet121", {}, 6_956_298, 888),
        ("densenet121", {"growth_rate": 12}, 1_000_618, 125),
        ("vgg11", {}, 9_231_114, 153),
        ("vgg16", {}, 14_728_266, 313),
        ("vgg19", {}, 20_040_522, 398),
    ],
)
def test_cifar_stems_have_the_published_size_and_cost(name, options, parameters, million_macs):
    network = on_meta(name, **options)
    assert count(network) == parameters
    assert round(macs(network, 32) / 1e6) == million_macs


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet20", 0.27),
        ("resnet32", 0.46),
        ("resnet44", 0.66),
        ("resnet56", 0.85),
        ("resnet110", 1.7),
        ("preact164", 1.7),
        ("densenet-bc-100-12", 0.77),
    ],
)
def test_the_papers_cifar_versions_have_the_size_that_the_papers_state(name, millions):
    digits = len(str(millions).partition(".")[2])
    assert round(count(on_meta(name)) / 1e6, digits) == millions


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("resnet18", "resnet18"),
        ("resnet34", "resnet34"),
        ("resnet50", "resnet50"),
        ("densenet121", "densenet121"),
        *((f"vgg{depth}", f"vgg{depth}_bn") for depth in (11, 13, 16, 19)),
    ],
)
def test_above_64_pixels_a_network_is_torchvisions(name, reference):
    network = on_meta(name, size=224, n_classes=1000)
    with torch.device("meta"):
        other = torchvision.models.get_model(reference, weights=None)
    assert count(network) == count(other)
    if count(network) < 12e6 or name.startswith("vgg"):  # the deeper ones would only take longer
        assert macs(network, 224) == macs(other, 224)


@pytest.mark.parametrize("name", ["resnet50", "preact50", "densenet121", "vgg16"])
def test_above_64_pixels_a_network_takes_the_weights_of_its_timm_architecture(name):
    network = on_meta(name, size=65, n_classes=1000)
    architecture = networks.resolve(name).timm_name
    assert architecture is not None
    with torch.device("meta"):
        other = timm.create_model(architecture)
    shapes = [{key: value.shape for key, value in one.state_dict().items()} for one in (network, other)]
    assert shapes[0] == shapes[1]


def test_the_cifar_stem_ends_at_64_pixels():
    assert count(on_meta("resnet18", size=64)) < count(on_meta("resnet18", size=65))
    assert count(on_meta("resnet18", size=32, stem="imagenet")) == count(on_meta("resnet18", size=224))
    assert count(on_meta("resnet18", size=224, stem="cifar")) == count(on_meta("resnet18", size=32))


@pytest.mark.parametrize(("name", "options"), [*SMALL, ("resnet110", {})])
def test_the_loss_starts_near_the_logarithm_of_the_class_count(name, options):
    network = networks.build(name, n_classes=10, image_size=32, options=options)
    images = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    networks.whiten(network, images)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network(images), torch.arange(20) % 10)
    assert abs(float(loss) - math.log(10)) < 0.2


@pytest.mark.parametrize(("name", "options"), [*SHALLOW, *((name, {}) for name in OTHERS[:3])])
def test_every_trainable_parameter_has_a_gradient_once_training_began(name, options):
    size = 160 if name == "test_vit" else 32
    network = networks.build(name, n_classes=5, image_size=size, options=options)
    images = torch.randn(10, 3, size, size, generator=torch.Generator().manual_seed(0))
    networks.whiten(network, images)
    trainable = {key: one for key, one in network.named_parameters() if one.requires_grad}
    optimizer = torch.optim.SGD(trainable.values(), lr=0.05)
    for _ in range(2):  # the first step leaves the zeros that residual branches start with
        network.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), torch.arange(10) % 5).backward()
        optimizer.step()
    network.eval()  # in training, batch norms cancel the biases before them
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(images), torch.arange(10) % 5).backward()
    still = [key for key, one in trainable.items() if one.grad is None or not one.grad.abs().max() > 0]
    assert still == []


@pytest.mark.parametrize(("name", "options"), [*SMALL, *((name, {}) for name in OTHERS)])
def test_stages_and_classifier_hold_every_parameter_exactly_once(name, options):
    network = networks.build(name, n_classes=5, image_size=160 if name == "test_vit" else 64, options=options)
    stages = networks.stages(network)
    held = [id(one) for _, stage in stages for one in stage.parameters()]
    held += [id(one) for one in networks.classifier(network).parameters()]
    assert sorted(held) == sorted(id(one) for one in network.parameters())
    assert len({stage_name for stage_name, _ in stages}) == len(stages) > 1


@pytest.mark.parametrize(("name", "options"), [*SMALL, ("test_vit", {}), ("test_efficientnet", {})])
def test_the_classifier_on_the_embedding_gives_the_logits_and_the_network_keeps_it(name, options):
    size = 160 if name == "test_vit" else 32
    network = networks.build(name, n_classes=5, image_size=size, options=options).eval()
    images = torch.randn(4, 3, size, size)
    with torch.no_grad():
        embeddings, logits = networks.embedding(network)(images), network(images)
    last = networks.classifier(network)
    assert embeddings.shape == (4, last.weight.shape[1])
    by_hand = embeddings @ last.weight.flatten(1).T
    by_hand = by_hand / 9 if name == "airbench94" else by_hand + last.bias
    torch.testing.assert_close(by_hand, logits, rtol=1e-4, atol=1e-5)


def test_a_seed_decides_the_start_and_no_global_generator_is_touched():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = (
        networks.build("resnet20", n_classes=10, image_size=32, seed=seed).state_dict()["fc.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("resnet20", 4, {}),
        ("resnet18", 8, {}),
        ("resnet18", 32, {"stem": "imagenet"}),
        ("preact18", 8, {}),
        ("densenet121", 8, {"growth_rate": 8}),
        ("densenet-bc-40-12", 4, {}),
        ("vgg11", 32, {}),
        ("vgg11", 32, {"stem": "imagenet"}),
        ("airbench94", 9, {}),
    ],
)
def test_the_smallest_images_work(name, size, options):
    network = on_meta(name, size=size, **options)
    assert network(torch.zeros(2, 3, size, size, device="meta")).shape == (2, 10)


def test_a_tag_brings_the_preprocessing_of_its_weights():
    tags = ("resnet18.tv_in1k", "resnet18.a1_in1k")
    kinds = [on_meta(tag, size=224).pretrained_cfg["interpolation"] for tag in tags]
    assert kinds == ["bilinear", "bicubic"]
