"""ResNet (He et al. 2015, arXiv:1512.03385).

* `resnet18`, `34`, `50`, `101`, `152`: timm's classes; up to 64 pixels with a CIFAR stem (3x3 convolution, stride 1,
  no pooling).
* `resnet20`, `32`, `44`, `56`, `110` and any other 6n + 2: section 4.2 of the paper, 3 stages of n blocks with 16, 32
  and 64 channels, shortcuts without parameters, for images of 32 pixels.

Convolutions start from He's normal distribution (fan out), the last norm of each residual branch at zero (Goyal et al.
2017, not yet in the paper; without it the loss of resnet110 starts at 4 instead of ln 10, hence the paper's warm-up).
"""

from itertools import pairwise

import timm
import torch
import torch.nn.functional as F
from timm.layers.drop import DropPath
from timm.models.resnet import BasicBlock
from torch import Tensor, nn

from extract.errors import InvalidInputError
from finetune.architectures import norms
from finetune.architectures.options import Options
from finetune.architectures.stages import Stages, group, small_stem

IDEA: str = (
    "Each block learns only a correction of its input, which a shortcut carries past it and adds. Gradients have a "
    "short way through any number of layers, so that networks of a hundred layers train where plain ones of that "
    'depth do worse than shallow ones (He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR'
    " 2016, arXiv:1512.03385)."
)
NAMES: tuple[str, ...] = tuple(f"resnet{depth}" for depth in (18, 20, 32, 34, 44, 50, 56, 101, 110, 152))
PATTERN: str = r"resnet(?P<depth>\d+)?"
OPTIONS: tuple[str, ...] = ("depth", "width", "dropout", "drop_path", "norm", "stem")
NORMS: tuple[str, ...] = ("batch", "group")
REPLACED: tuple[str, ...] = ("conv1",)
HAS_CIFAR_STEM: bool = True
IMAGENET_DEPTHS: tuple[int, ...] = (18, 34, 50, 101, 152)


def timm_name(options: Options) -> str | None:
    """The timm architecture whose weights fit; None for the paper's CIFAR versions, other widths and norms."""
    usual = options.depth in IMAGENET_DEPTHS and options.width == 1 and options.norm == "batch"
    return f"resnet{options.depth}" if usual else None


def form(options: Options, *, cifar_stem: bool) -> str:
    """The paper's network for ImageNet, that with a CIFAR stem, or the paper's for CIFAR."""
    if options.depth in IMAGENET_DEPTHS:
        return f"ResNet of {options.depth} layers {'with a CIFAR stem' if cifar_stem else 'as for ImageNet'}"
    return (
        f"ResNet of {options.depth} layers as for CIFAR-10: 3 stages of {cifar_widths(options, (16, 32, 64))} channels"
    )


def cifar_widths(options: Options, base: tuple[int, ...]) -> str:
    """The channels of the stages in words."""
    widths = [str(options.channels(count)) for count in base]
    return f"{', '.join(widths[:-1])} and {widths[-1]}"


def build(options: Options, *, n_classes: int, cifar_stem: bool) -> nn.Module:
    """The ResNet of `options.depth` layers with `n_classes` logits."""
    if options.depth not in IMAGENET_DEPTHS:
        return CifarResNet(options, n_classes=n_classes)
    network = timm.create_model(
        f"resnet{options.depth}",
        num_classes=n_classes,
        channels=tuple(options.channels(count) for count in (64, 128, 256, 512)),
        norm_layer=norms.plain(options.norm),
        drop_rate=options.dropout,
        drop_path_rate=options.drop_path,
    )
    if cifar_stem:
        network.conv1 = small_stem(64)
        network.maxpool = nn.Identity()
    return network


def smallest_size(options: Options, *, cifar_stem: bool) -> int:
    """The smallest image whose last map still has a pixel of its own."""
    return (8 if cifar_stem else 32) if options.depth in IMAGENET_DEPTHS else 4


def stages(network: nn.Module) -> Stages:
    """Stem and residual stages of a ResNet of either kind, or of timm's."""
    stem = group(*(part for name, part in network.named_children() if name in ("conv1", "bn1", "act1", "maxpool")))
    return [("stem", stem), *((n, part) for n, part in network.named_children() if n.startswith("layer"))]


class CifarResNet(nn.Module):
    """The paper's ResNet for CIFAR: 6n + 2 layers on images [B, 3, H, W]. It has timm's interface."""

    def __init__(self, options: Options, *, n_classes: int) -> None:
        super().__init__()
        block_count = cifar_blocks(options.depth, family="resnet", also=IMAGENET_DEPTHS)
        options.refuse_imagenet_stem(f"resnet{options.depth}")
        widths = [options.channels(count) for count in (16, 16, 32, 64)]
        norm = norms.plain(options.norm)
        assert norm is not None  # this family has no "none"
        rates = iter(torch.linspace(0, options.drop_path, 3 * block_count, device="cpu").tolist())
        self.conv1 = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn1 = norm(widths[0])
        self.act1 = nn.ReLU(inplace=True)
        for index, (before, width) in enumerate(pairwise(widths), start=1):
            stride = 1 if index == 1 else 2
            blocks = [_block(before, width, stride=stride, norm=norm, drop_path=next(rates))]
            blocks += [_block(width, width, norm=norm, drop_path=next(rates)) for _ in range(block_count - 1)]
            self.add_module(f"layer{index}", nn.Sequential(*blocks))
        self.num_features = self.head_hidden_size = widths[-1]
        self.head_drop = nn.Dropout(options.dropout)
        self.fc: nn.Module = nn.Linear(widths[-1], n_classes)
        self.num_classes = n_classes
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                module.zero_init_last()

    def forward_features(self, images: Tensor) -> Tensor:
        """The last maps, [B, C, H / 4, W / 4]."""
        maps = self.act1(self.bn1(self.conv1(images)))
        return self.layer3(self.layer2(self.layer1(maps)))  # type: ignore[operator]

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K], or embeddings [B, C] after `reset_classifier(0)`."""
        return self.fc(self.head_drop(self.forward_features(images).mean((2, 3))))

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int) -> None:
        """Puts a new last layer, or none for 0, in the place of the present one."""
        self.num_classes = num_classes
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()


class PaddedShortcut(nn.Module):
    """The paper's shortcut A: every second pixel, and zeros for the channels that are new."""

    def __init__(self, new_channels: int, *, stride: int) -> None:
        super().__init__()
        self.new_channels, self.stride = new_channels, stride

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C + new, H / stride, W / stride]."""
        before = self.new_channels // 2
        kept = maps[:, :, :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, before, self.new_channels - before))


def cifar_blocks(depth: int | None, *, family: str, also: tuple[int, ...], layers: int = 2) -> int:
    """Blocks of `layers` layers in each of 3 stages, for a depth of 3 x blocks x layers + 2."""
    step = 3 * layers
    if depth is None or depth < step + 2 or (depth - 2) % step:
        near = [step * n + 2 for n in range(max(1, ((depth or 20) - 2) // step), ((depth or 20) - 2) // step + 2)]
        raise InvalidInputError(
            f"depth of {family} must be {step}n + 2 or one of {', '.join(map(str, also))}; got {depth!r}. "
            f"Take {' or '.join(map(str, near))}."
        )
    return (depth - 2) // step


def _block(before: int, width: int, *, norm: norms.Factory, drop_path: float, stride: int = 1) -> nn.Module:
    changes = stride > 1 or width > before
    shortcut = PaddedShortcut(width - before, stride=stride) if changes else None
    return BasicBlock(
        before,
        width,
        stride=stride,
        downsample=shortcut,
        norm_layer=norm,  # type: ignore[arg-type]
        drop_path=DropPath(drop_path) if drop_path else None,
    )
