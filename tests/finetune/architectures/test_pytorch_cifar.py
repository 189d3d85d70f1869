"""Checkpoints in pytorch-cifar's layout: the logits are those of that layout's own forward pass."""

from argparse import Namespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from extract.backbones import checkpoints
from extract.errors import InvalidInputError
from finetune.architectures import networks

CLASSES = 7


def conv(inputs, outputs, size=3, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


class Padded(nn.Module):
    """The shortcut without weights of akamaster/pytorch_resnet_cifar10."""

    def forward(self, x):
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, x.shape[1] // 2, x.shape[1] // 2))


class Block(nn.Module):
    """A residual block as pytorch-cifar names its parts, basic or bottleneck, activated after or before."""

    def __init__(self, inputs, width, stride, *, bottleneck, before, padded):
        super().__init__()
        self.before, outputs = before, width * (4 if bottleneck else 1)
        sizes = [(1, 1), (3, stride), (1, 1)] if bottleneck else [(3, stride), (3, 1)]
        channels = [inputs, *([width] * (len(sizes) - 1)), outputs]
        for number, (size, step) in enumerate(sizes, start=1):
            setattr(self, f"conv{number}", conv(channels[number - 1], channels[number], size, step))
            setattr(self, f"bn{number}", nn.BatchNorm2d(channels[number - 1 if before else number]))
        self.count = len(sizes)
        if padded and inputs != outputs:
            self.shortcut = Padded()
        elif stride != 1 or inputs != outputs:
            norm = [] if before else [nn.BatchNorm2d(outputs)]
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), *norm)

    def forward(self, x):
        out, source = x, x
        for number in range(1, self.count + 1):
            layer, norm = getattr(self, f"conv{number}"), getattr(self, f"bn{number}")
            if self.before:
                out = functional.relu(norm(out))
                source = out if number == 1 else source
                out = layer(out)
            else:
                out = norm(layer(out))
                out = functional.relu(out) if number < self.count else out
        if self.before:
            return out + (self.shortcut(source) if hasattr(self, "shortcut") else x)
        return functional.relu(out + (self.shortcut(x) if hasattr(self, "shortcut") else x))


class Residual(nn.Module):
    def __init__(self, *, bottleneck, counts, before=False, width=64, padded=False):
        super().__init__()
        self.conv1 = conv(3, width)
        self.bn1 = nn.Identity() if before else nn.BatchNorm2d(width)
        inputs = width
        for number, count in enumerate(counts):
            blocks = []
            for place in range(count):
                stride = 2 if number and not place else 1
                of = {"bottleneck": bottleneck, "before": before, "padded": padded}
                blocks.append(Block(inputs, width * 2**number, stride, **of))
                inputs = width * 2**number * (4 if bottleneck else 1)
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
        self.before, self.count = before, len(counts)
        self.linear = nn.Linear(inputs, CLASSES)

    def forward(self, x):
        x = self.conv1(x)
        x = x if self.before else functional.relu(self.bn1(x))
        for number in range(self.count):
            x = getattr(self, f"layer{number + 1}")(x)
        return self.linear(x.mean((2, 3)))


class Dense(nn.Module):
    """DenseNet121 with growth rate 32: a layer's maps stand before those that it was given."""

    def __init__(self):
        super().__init__()
        self.conv1 = conv(3, 64)
        channels = 64
        for number, count in enumerate((6, 12, 24, 16), start=1):
            layers = []
            for _ in range(count):
                one = nn.Module()
                one.bn1, one.conv1 = nn.BatchNorm2d(channels), conv(channels, 128, 1)
                one.bn2, one.conv2 = nn.BatchNorm2d(128), conv(128, 32)
                layers.append(one)
                channels += 32
            setattr(self, f"dense{number}", nn.Sequential(*layers))
            if number < 4:
                between = nn.Module()
                between.bn, between.conv = nn.BatchNorm2d(channels), conv(channels, channels // 2, 1)
                channels //= 2
                setattr(self, f"trans{number}", between)
        self.bn, self.linear = nn.BatchNorm2d(channels), nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.conv1(x)
        for number in range(1, 5):
            for one in getattr(self, f"dense{number}"):
                new = one.conv2(functional.relu(one.bn2(one.conv1(functional.relu(one.bn1(x))))))
                x = torch.cat([new, x], 1)
            if number < 4:
                between = getattr(self, f"trans{number}")
                x = functional.avg_pool2d(between.conv(functional.relu(between.bn(x))), 2)
        return self.linear(functional.avg_pool2d(functional.relu(self.bn(x)), 4).flatten(1))


class Plain(nn.Module):
    """VGG16: 13 convolutions with norms, and one linear layer."""

    def __init__(self):
        super().__init__()
        layers, channels = [], 3
        for one in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
            if one:
                layers += [nn.Conv2d(channels, one, 3, padding=1), nn.BatchNorm2d(one), nn.ReLU()]
                channels = one
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers, nn.AvgPool2d(1))
        self.classifier = nn.Linear(512, CLASSES)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


MADE = {
    "resnet20": lambda: Residual(bottleneck=False, counts=(3, 3, 3), width=16, padded=True),
    "resnet18": lambda: Residual(bottleneck=False, counts=(2, 2, 2, 2)),
    "resnet50": lambda: Residual(bottleneck=True, counts=(3, 4, 6, 3)),
    "preact18": lambda: Residual(bottleneck=False, counts=(2, 2, 2, 2), before=True),
    "preact50": lambda: Residual(bottleneck=True, counts=(3, 4, 6, 3), before=True),
    "densenet121": Dense,
    "vgg16": Plain,
}


@pytest.fixture(scope="module")
def made():
    """Networks in that layout with drawn weights, statistics of norms included, in evaluation mode."""

    def make(name):
        torch.manual_seed(1)
        network = MADE[name]().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    tensor.data = torch.rand_like(tensor) / 2 + 0.5
        return network

    return make


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wrapped"])
def test_the_logits_are_those_of_the_original_layout(made, tmp_path, name, wrapped):
    other = made(name)
    state = {f"module.{key}" if wrapped else key: tensor for key, tensor in other.state_dict().items()}
    torch.save({"net": state, "acc": 95.1, "epoch": 3} if wrapped else state, tmp_path / "ckpt.pth")
    architecture = networks.resolve(name)
    found = checkpoints.read(tmp_path / "ckpt.pth")
    ours = architecture.fitting(found).build(n_classes=CLASSES, image_size=32).eval()
    loaded = architecture.load_weights(ours, weights=str(tmp_path / "ckpt.pth"), with_classifier=True)
    assert loaded.fresh == ()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, got = other(images), ours(images)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_a_checkpoint_is_read_whatever_wrote_it(made, tmp_path):
    name = "preact18"
    state = made(name).state_dict()
    old = {key: torch.zeros_like(tensor) for key, tensor in state.items()}

    def under(prefix):
        return {f"{prefix}{key}": tensor for key, tensor in state.items()}

    forms = {
        "compiled": {"model": under("module._orig_mod.")},
        "timm's training": {
            "epoch": 1,
            "arch": name,
            "state_dict": old,
            "args": Namespace(lr=1),
            "state_dict_ema": state,
        },
        "averaged": {"model": old, "model_ema": {"n_averaged": torch.tensor(3), **under("module.module.")}},
        "Lightning's": {"state_dict": {**under("model."), "loss.weight": torch.ones(7)}, "epoch": 2},
    }
    network = networks.resolve(name, {"final_norm": False})
    ours = network.build(n_classes=CLASSES, image_size=32)
    for form, content in forms.items():
        torch.nn.utils.vector_to_parameters(
            torch.zeros(sum(one.numel() for one in ours.parameters())), ours.parameters()
        )
        torch.save(content, tmp_path / "ckpt.pth")
        loaded = network.load_weights(ours, weights=str(tmp_path / "ckpt.pth"), with_classifier=True)
        assert loaded.fresh == (), form
        kept = {tuple(tensor.flatten()[:3].tolist()) for tensor in ours.state_dict().values() if tensor.ndim > 1}
        assert kept == {tuple(tensor.flatten()[:3].tolist()) for tensor in state.values() if tensor.ndim > 1}, form


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("resnet18", "resnet50", r"layer1\.0\.conv1\.weight"),
        ("preact18", "resnet18", r"stages\.1\.blocks\.0\.norm1\.weight is \[128\] for \[64\]"),
        ("densenet121", "vgg16", "features"),
        ("vgg16", "densenet121", "features"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_by_its_first_tensors(made, tmp_path, name, other, said):
    torch.save({"net": made(other).state_dict()}, tmp_path / "ckpt.pth")
    network = networks.build(name, n_classes=CLASSES, image_size=32)
    with pytest.raises(InvalidInputError, match=said):
        networks.resolve(name).load_weights(network, weights=str(tmp_path / "ckpt.pth"))
