"""Choices about an architecture: none does nothing, any allowed ones work, the others are refused in one sentence."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from extract.errors import InvalidInputError
from finetune.architectures import networks
from tests.finetune.architectures.shapes import on_meta


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("resnet20", "depth", 14),
        ("resnet20", "width", 2.0),
        ("resnet20", "dropout", 0.5),
        ("resnet20", "drop_path", 0.5),
        ("resnet20", "norm", "group"),
        ("resnet18", "dropout", 0.5),
        ("resnet18", "drop_path", 0.5),
        ("resnet18", "norm", "group"),
        ("resnet18", "stem", "imagenet"),
        ("preact20", "depth", 14),
        ("preact20", "width", 2.0),
        ("preact20", "dropout", 0.5),
        ("preact20", "drop_path", 0.5),
        ("preact20", "norm", "group"),
        ("preact18", "stem", "imagenet"),
        ("densenet-bc-40-12", "depth", 22),
        ("densenet-bc-40-12", "growth_rate", 8),
        ("densenet-bc-40-12", "dropout", 0.5),
        ("densenet-bc-40-12", "norm", "group"),
        ("vgg11", "depth", 13),
        ("vgg11", "width", 0.5),
        ("vgg11", "dropout", 0.5),
        ("vgg11", "norm", "group"),
        ("vgg11", "norm", "none"),
        ("airbench94", "width", 0.5),
        ("test_resnet", "dropout", 0.5),
        ("test_resnet", "drop_path", 0.5),
    ],
)
def test_no_option_does_nothing(name, option, value):
    assert option in networks.resolve(name).option_names

    def training_logits(**options: object) -> torch.Tensor:
        thin = {"width": 0.25} if "18" in name else {}
        network = networks.build(name, n_classes=5, image_size=32, options=thin | options).train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                module.weight.data.fill_(1)  # residual branches that start at zero would hide a change
        torch.manual_seed(0)
        with torch.no_grad():
            return network(torch.randn(4, 3, 32, 32))

    usual = training_logits()
    assert torch.equal(usual, training_logits(**{option: None}))
    assert not torch.equal(usual, training_logits(**{option: value}))


@settings(max_examples=10)
@given(
    data=st.data(),
    name=st.sampled_from(["resnet14", "preact14", "densenet-bc-16-8", "vgg11", "airbench94", "resnet18", "preact18"]),
    size=st.integers(32, 80),
)
def test_any_allowed_options_build_a_network_with_k_logits(data, name, size):
    allowed = {
        "width": st.floats(0.05, 2),
        "growth_rate": st.integers(1, 20),
        "dropout": st.floats(0, 0.9),
        "drop_path": st.floats(0, 0.9),
        "norm": st.sampled_from(["batch", "group"]),
    }
    has = [option for option in networks.resolve(name).option_names if option in allowed]
    options = {option: data.draw(allowed[option], label=option) for option in has}
    network = on_meta(name, size=size, n_classes=7, **options)
    assert network.eval()(torch.zeros(2, 3, size, size, device="meta")).shape == (2, 7)
    widths = [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert "growth_rate" in options or all(width % 8 == 0 or width == 7 for width in widths)


@pytest.mark.parametrize(
    ("name", "size", "options", "words"),
    [
        ("resnte18", 32, {}, ["resnte18", "Nearest: resnet18"]),
        ("resnet19", 32, {}, ["6n + 2", "19", "14 or 20"]),
        ("resnet", 32, {}, ["depth", "with its depth"]),
        ("preact165", 32, {}, ["165"]),
        ("densenet-bc-41-12", 32, {}, ["6n + 4", "41"]),
        ("vgg12", 32, {}, ["11, 13, 16, 19", "12"]),
        ("resnet18.a9_in1k", 32, {}, ["a9_in1k", "Nearest: a3_in1k"]),
        ("resnet20", 32, {"grwth_rate": 3}, ["grwth-rate", "Nearest: growth-rate"]),
        ("resnet20", 32, {"growth_rate": 3}, ["resnet20 has", "growth-rate"]),
        ("densenet121", 32, {"drop_path": 0.1}, ["densenet121 has", "drop-path"]),
        ("resnet20", 32, {"stem": "imagenet"}, ["stem of resnet20"]),
        ("resnet18", 32, {"norm": "none"}, ["norm", "batch, group"]),
        ("resnet18", 32, {"width": 0}, ["width", "0"]),
        ("resnet18", 32, {"width": True}, ["width", "True"]),
        ("resnet18", 32, {"dropout": 1}, ["dropout", "below 1"]),
        ("resnet18", 32, {"depth": 18.0}, ["depth", "18.0"]),
        ("vgg16", 31, {}, ["at least 32 pixels", "31"]),
        ("resnet18", 7, {}, ["at least 8 pixels", "7"]),
        ("resnet18", 31, {"stem": "imagenet"}, ["at least 32 pixels", "31"]),
        ("airbench94", 8, {}, ["at least 9 pixels", "8"]),
        ("inception_v3", 32, {}, ["inception_v3", "32"]),
        ("vgg11_bn", 32, {"drop_path": 0.1}, ["vgg11_bn", "drop_path"]),
    ],
)
def test_a_mistake_is_refused_in_one_sentence(name, size, options, words):
    with pytest.raises(InvalidInputError) as refused:
        on_meta(name, size=size, **options)
    sentence = str(refused.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence
