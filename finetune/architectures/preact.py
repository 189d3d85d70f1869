"""ResNet with pre-activation (He et al. 2016, arXiv:1603.05027), on timm's ResNetV2.

* `preact18`, `34`, `50`, `101`: timm's `resnetv2_*`; up to 64 pixels with a CIFAR stem (3x3 convolution, stride 1, no
  pooling). They end in a norm before the pooling, as the paper has it and pytorch-cifar has not.
* `preact20`, `56`, `110` and any other 6n + 2: 3 stages of n basic blocks with 16, 32 and 64 channels.
* `preact164`, `1001` (9n + 2 from 164 on): the same with bottlenecks, 64, 128 and 256 channels.

Shortcuts that change shape are 1x1 convolutions on the activated maps. Convolutions start from He's normal distribution
(fan out), nothing starts at zero.
"""

import timm
from timm.layers.create_conv2d import create_conv2d
from timm.models.resnetv2 import ResNetV2
from torch import nn

from finetune.architectures import norms
from finetune.architectures.options import Options
from finetune.architectures.resnet import cifar_blocks, cifar_widths
from finetune.architectures.stages import Stages, group, small_stem

IDEA: str = (
    "Norm and activation stand in front of each convolution, and nothing on the shortcut, so that a block's input "
    "reaches the last block as it is. Signal and gradient pass unchanged between any two blocks, which lets "
    'networks of a thousand layers train (He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", '
    "ECCV 2016, arXiv:1603.05027)."
)
NAMES: tuple[str, ...] = tuple(f"preact{depth}" for depth in (18, 20, 34, 50, 56, 101, 110, 164))
PATTERN: str = r"preact(?P<depth>\d+)?"
OPTIONS: tuple[str, ...] = ("depth", "width", "dropout", "drop_path", "norm", "final_norm", "stem")
NORMS: tuple[str, ...] = ("batch", "group")
REPLACED: tuple[str, ...] = ("stem.conv",)
HAS_CIFAR_STEM: bool = True
IMAGENET_DEPTHS: tuple[int, ...] = (18, 34, 50, 101)
BOTTLENECKS_FROM = 164


def timm_name(options: Options) -> str | None:
    """The timm architecture whose weights fit; None for the paper's CIFAR versions, other widths and norms."""
    usual = options.depth in IMAGENET_DEPTHS and options.width == 1 and options.norm == "batch" and options.final_norm
    return f"resnetv2_{options.depth}" if usual else None


def form(options: Options, *, cifar_stem: bool) -> str:
    """The network for ImageNet, that with a CIFAR stem, or the paper's for CIFAR."""
    kind = f"pre-activation ResNet of {options.depth} layers"
    if options.depth in IMAGENET_DEPTHS:
        return f"{kind} {'with a CIFAR stem' if cifar_stem else 'as for ImageNet'}"
    base = (64, 128, 256) if (options.depth or 0) >= BOTTLENECKS_FROM else (16, 32, 64)
    return f"{kind} as for CIFAR-10: 3 stages of {cifar_widths(options, base)} channels"


def build(options: Options, *, n_classes: int, cifar_stem: bool) -> nn.Module:
    """The pre-activation ResNet of `options.depth` layers with `n_classes` logits."""
    network = _network(options, n_classes=n_classes, cifar_stem=cifar_stem)
    if not options.final_norm:
        network.norm = nn.Identity()
    return network


def _network(options: Options, *, n_classes: int, cifar_stem: bool) -> ResNetV2:
    if options.depth not in IMAGENET_DEPTHS:
        return _cifar(options, n_classes=n_classes)
    base = (64, 128, 256, 512) if options.depth < 50 else (256, 512, 1024, 2048)
    network = timm.create_model(
        f"resnetv2_{options.depth}",
        num_classes=n_classes,
        channels=tuple(options.channels(count) for count in base),
        norm_layer=norms.activated(options.norm),
        drop_rate=options.dropout,
        drop_path_rate=options.drop_path,
    )
    assert isinstance(network, ResNetV2)
    return _with_cifar_stem(network) if cifar_stem else network


def smallest_size(options: Options, *, cifar_stem: bool) -> int:
    """The smallest image whose last map still has a pixel of its own."""
    return (8 if cifar_stem else 32) if options.depth in IMAGENET_DEPTHS else 4


def stages(network: nn.Module) -> Stages:
    """Stem and residual stages of a ResNetV2; the final norm belongs to the last stage."""
    assert isinstance(network, ResNetV2)
    parts = [("stem", network.stem), *((f"stage{n}", part) for n, part in enumerate(network.stages, start=1))]
    name, last = parts.pop()
    return [*parts, (name, group(last, network.norm))]


def _cifar(options: Options, *, n_classes: int) -> ResNetV2:
    depth = options.depth or 0
    bottleneck = depth >= BOTTLENECKS_FROM
    count = cifar_blocks(options.depth, family="preact", also=IMAGENET_DEPTHS, layers=3 if bottleneck else 2)
    options.refuse_imagenet_stem(f"preact{depth}")
    base = (64, 128, 256) if bottleneck else (16, 32, 64)
    network = ResNetV2(
        [count] * 3,
        channels=tuple(options.channels(width) for width in base),
        num_classes=n_classes,
        stem_chs=options.channels(16),
        basic=not bottleneck,
        bottle_ratio=0.25 if bottleneck else 1.0,
        conv_layer=create_conv2d,
        norm_layer=norms.activated(options.norm),
        drop_rate=options.dropout,
        drop_path_rate=options.drop_path,
    )
    return _with_cifar_stem(network)


def _with_cifar_stem(network: nn.Module) -> ResNetV2:
    assert isinstance(network, ResNetV2)
    before = network.stem.conv
    assert isinstance(before, nn.Conv2d)
    network.stem.conv = small_stem(before.out_channels)
    network.stem.pool = nn.Identity()
    return network
