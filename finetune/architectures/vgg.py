"""VGG (Simonyan and Zisserman 2014, arXiv:1409.1556), with batch normalization unless `norm` says otherwise.

`vgg11`, `13`, `16`, `19` on timm's class. Up to 64 pixels the two wide layers before the classifier are left out, as
in pytorch-cifar: pooled maps go straight into it. Above, it is the paper's, with its 4096 wide layers. Convolutions
start from He's normal distribution (fan out), the classifier from a normal one with standard deviation 0.01.
`airbench94`, the fastest member of this family, has its own module.
"""

from typing import Any

import timm
from timm.layers.classifier import ClassifierHead
from timm.models.vgg import VGG, cfgs
from torch import nn

from extract.errors import InvalidInputError
from finetune.architectures import norms
from finetune.architectures.options import Options
from finetune.architectures.stages import Stages, group

IMAGENET_DEPTHS: tuple[int, ...] = (11, 13, 16, 19)
IDEA: str = (
    "Only 3×3 convolutions, stacked between poolings: two of them see as far as one of 5×5, with fewer weights and "
    "one more activation between. With nothing but this pattern, up to 19 layers of depth raised the accuracy "
    '(Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, '
    "arXiv:1409.1556)."
)
NAMES: tuple[str, ...] = tuple(f"vgg{depth}" for depth in IMAGENET_DEPTHS)
PATTERN: str = r"vgg(?P<depth>\d+)?"
OPTIONS: tuple[str, ...] = ("depth", "width", "dropout", "norm", "stem")
NORMS: tuple[str, ...] = ("batch", "group", "none")
REPLACED: tuple[str, ...] = ("pre_logits",)
HAS_CIFAR_STEM: bool = False  # its CIFAR form leaves layers out and has no new ones


def timm_name(options: Options) -> str | None:
    """The timm architecture whose weights fit; None for other widths and group norms."""
    if options.depth not in IMAGENET_DEPTHS or options.width != 1 or options.norm == "group":
        return None
    return f"vgg{options.depth}" + ("" if options.norm == "none" else "_bn")


def form(options: Options, *, cifar_stem: bool) -> str:
    """Form of the network: the layers that its name counts."""
    convolutions = (options.depth or 0) - 3
    if cifar_stem:
        return f"VGG{options.depth} as for CIFAR-10: {convolutions} convolutions, and 1 linear layer in place of 3"
    return f"VGG{options.depth} as for ImageNet: {convolutions} convolutions and 3 linear layers"


def build(options: Options, *, n_classes: int, cifar_stem: bool) -> nn.Module:
    """The VGG of `options.depth` layers with `n_classes` logits."""
    if options.depth not in IMAGENET_DEPTHS:
        raise InvalidInputError(
            f"depth of vgg must be one of {', '.join(map(str, IMAGENET_DEPTHS))}; got {options.depth!r}."
        )
    # With a CIFAR stem, mlp_ratio spares a wide layer that is thrown away.
    shared: Any = {"num_classes": n_classes, "drop_rate": options.dropout, "mlp_ratio": 0.01 if cifar_stem else 1.0}
    if (known := timm_name(options)) is not None:
        network = timm.create_model(known, **shared)
    else:
        plan = [one if one == "M" else options.channels(int(one)) for one in cfgs[f"vgg{options.depth}"]]
        network = VGG(plan, norm_layer=norms.plain(options.norm), **shared)  # type: ignore[arg-type]
    assert isinstance(network, VGG)
    if cifar_stem:
        network.pre_logits = nn.Identity()
        network.head = ClassifierHead(network.num_features, n_classes, drop_rate=options.dropout)
        network.head_hidden_size = network.num_features
        assert isinstance(network.head.fc, nn.Linear)
        nn.init.normal_(network.head.fc.weight, std=0.01)
        nn.init.zeros_(network.head.fc.bias)
        for layer in network.features:
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = True  # the same for multiples of 32; epochs on smaller images pool 3 pixels to 2
    return network


def smallest_size(options: Options, *, cifar_stem: bool) -> int:
    """The smallest image that five poolings can halve."""
    return 32


def stages(network: nn.Module) -> Stages:
    """The convolutions before each pooling with it; the wide layers, where there are some, join the last."""
    assert isinstance(network, VGG)
    parts: list[list[nn.Module | nn.Parameter]] = [[]]
    for layer in network.features:
        parts[-1].append(layer)
        if isinstance(layer, nn.MaxPool2d):
            parts.append([])
    parts.pop()
    parts[-1].append(network.pre_logits)
    return [(f"stage{number}", group(*members)) for number, members in enumerate(parts, start=1)]
