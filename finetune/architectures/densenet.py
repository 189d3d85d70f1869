"""DenseNet (Huang et al. 2017, arXiv:1608.06993), on timm's class.

* `densenet121`, `169`, `201`: growth rate 32; up to 64 pixels with a CIFAR stem, the paper's: a 3x3 convolution of
  stride 1, and nothing between it and the first block.
* `densenet-bc-40-12`, `densenet-bc-100-12` and any other `densenet-bc-L-k` with L = 6n + 4: the paper's CIFAR version,
  3 blocks of n bottleneck layers with growth rate k, transitions that halve.

Twice the growth rate is the width of the stem. Convolutions start from He's normal distribution (fan in, as in the
authors' code). Dropout follows every layer, as in the paper.
"""

import timm
from timm.models.densenet import DenseNet
from torch import nn

from extract.errors import InvalidInputError
from finetune.architectures import norms
from finetune.architectures.options import Options
from finetune.architectures.stages import Stages, group, small_stem

CIFAR_GROWTH = 12
BLOCKS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
IMAGENET_DEPTHS: tuple[int, ...] = tuple(BLOCKS)
IDEA: str = (
    "Every layer sees the maps of all layers before it in its block, side by side, and adds a few of its own (the "
    "growth rate). Features are used again rather than learned again, so that fewer parameters reach the same "
    'accuracy (Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, '
    "arXiv:1608.06993)."
)
NAMES: tuple[str, ...] = (*(f"densenet{depth}" for depth in BLOCKS), "densenet-bc-40-12", "densenet-bc-100-12")
PATTERN: str = r"densenet(?P<depth>\d+)?|densenet-bc(-(?P<cifar_depth>\d+)-(?P<growth_rate>\d+))?"
OPTIONS: tuple[str, ...] = ("depth", "growth_rate", "dropout", "norm", "stem")
NORMS: tuple[str, ...] = ("batch", "group")
REPLACED: tuple[str, ...] = ("features.conv0", "features.norm0")
HAS_CIFAR_STEM: bool = True


def timm_name(options: Options) -> str | None:
    """The timm architecture whose weights fit; None for the paper's CIFAR versions, other growth rates and norms."""
    usual = options.depth in BLOCKS and options.growth_rate in (None, 32) and options.norm == "batch"
    return f"densenet{options.depth}" if usual else None


def form(options: Options, *, cifar_stem: bool) -> str:
    """The paper's network for ImageNet, that with a CIFAR stem, or its DenseNet-BC for CIFAR."""
    if options.depth in BLOCKS:
        stem = "with a CIFAR stem" if cifar_stem else "as for ImageNet"
        return f"DenseNet of {options.depth} layers {stem}, growth rate {options.growth_rate or 32}"
    growth = options.growth_rate or CIFAR_GROWTH
    return (
        f"DenseNet-BC of {options.depth} layers as for CIFAR-10: 3 blocks, growth rate {growth}, a stem of "
        f"{2 * growth} channels"
    )


def build(options: Options, *, n_classes: int, cifar_stem: bool) -> nn.Module:
    """The DenseNet of `options.depth` layers with `n_classes` logits."""
    if options.depth not in BLOCKS:
        return _cifar(options, n_classes=n_classes)
    network = timm.create_model(
        f"densenet{options.depth}",
        num_classes=n_classes,
        growth_rate=options.growth_rate or 32,
        norm_layer=norms.activated(options.norm),
        proj_drop_rate=options.dropout,
    )
    return _with_cifar_stem(network) if cifar_stem else network


def smallest_size(options: Options, *, cifar_stem: bool) -> int:
    """The smallest image that the transitions can halve."""
    return (8 if cifar_stem else 32) if options.depth in BLOCKS else 4


def stages(network: nn.Module) -> Stages:
    """Stem and dense blocks of a DenseNet; each block takes the transition or norm that follows it."""
    assert isinstance(network, DenseNet)
    parts: dict[str, list[nn.Module | nn.Parameter]] = {"stem": []}
    name = "stem"
    for part_name, part in network.features.named_children():
        if part_name.startswith("denseblock"):
            name = part_name.replace("denseblock", "block")
            parts[name] = []
        parts[name].append(part)
    return [(name, group(*members)) for name, members in parts.items()]


def _cifar(options: Options, *, n_classes: int) -> nn.Module:
    depth, growth_rate = options.depth, options.growth_rate or CIFAR_GROWTH
    if depth is None or depth < 10 or (depth - 4) % 6:
        raise InvalidInputError(
            f"depth of densenet must be 6n + 4 (densenet-bc) or one of {', '.join(map(str, BLOCKS))}; got {depth!r}. "
            "The paper's are 40, 100, 190 and 250."
        )
    options.refuse_imagenet_stem(f"densenet-bc-{depth}-{growth_rate}")
    network = DenseNet(
        growth_rate=growth_rate,
        block_config=((depth - 4) // 6,) * 3,
        num_classes=n_classes,
        norm_layer=norms.activated(options.norm),  # type: ignore[arg-type]
        proj_drop_rate=options.dropout,
    )
    return _with_cifar_stem(network)


def _with_cifar_stem(network: nn.Module) -> nn.Module:
    assert isinstance(network, DenseNet)
    before = network.features.conv0
    assert isinstance(before, nn.Conv2d)
    network.features.conv0 = small_stem(before.out_channels, mode="fan_in")
    network.features.norm0 = nn.Identity()
    network.features.pool0 = nn.Identity()
    return network
