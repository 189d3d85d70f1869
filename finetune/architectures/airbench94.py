"""`airbench94`: a VGG of seven convolutions, built to reach 94 % on CIFAR-10 in little time.

Its design follows airbench94 (Jordan 2024, arXiv:2404.00498). Two things differ: the whitening is by the patches'
covariance, there by their uncentered second moment; and the triangle of the rate (`finetune.recipes`) has
other ends. A first layer of 2x2 filters whitens the patches of the training images and is frozen; three blocks of
convolution, pooling, norm, GELU, convolution, norm, GELU; maxima over all positions; a linear layer whose logits are
divided by 9. Convolutions start as the identity, norms have no scale of their own. It wants the recipe `airbench94`.
"""

import torch
from torch import Tensor, nn

from finetune.architectures.options import Options
from finetune.architectures.stages import Stages, group

IDEA: str = (
    "A shallow VGG whose first layer whitens patches of the training images and stays frozen, so that what is "
    "learned begins with decorrelated inputs. Convolutions that start as the identity and maxima over all positions"
    ' make its training short (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, arXiv:2404.00498).'
)
NAMES: tuple[str, ...] = ("airbench94",)
PATTERN: str = "airbench94"
OPTIONS: tuple[str, ...] = ("width",)
NORMS: tuple[str, ...] = ("batch",)
REPLACED: tuple[str, ...] = ()
IMAGENET_DEPTHS: tuple[int, ...] = ()
HAS_CIFAR_STEM: bool = False
PATCH = 2
WIDTHS = (64, 256, 256)
LOGIT_SCALE = 1 / 9
WHITENING_IMAGES = 5000


def timm_name(options: Options) -> None:
    """None: timm has no such architecture."""


def form(options: Options, *, cifar_stem: bool) -> str:
    """Form of the network, in words."""
    return "VGG of 7 convolutions and 1 linear layer, the first convolution whitening (airbench94)"


def build(options: Options, *, n_classes: int, cifar_stem: bool) -> nn.Module:
    """The airbench94 network with `n_classes` logits; `whiten` it before training."""
    return Airbench94(tuple(options.channels(width) for width in WIDTHS), n_classes=n_classes)


def smallest_size(options: Options, *, cifar_stem: bool) -> int:
    """The smallest image that the first layer and three poolings leave a pixel of."""
    return 9


def stages(network: nn.Module) -> Stages:
    """The whitening layer and the three blocks."""
    assert isinstance(network, Airbench94)
    first = group(network.whitening, network.activation)
    return [("whitening", first), *((f"block{n}", block) for n, block in enumerate(network.blocks, start=1))]


class Airbench94(nn.Module):
    """Images [B, 3, H, W], normalized -> logits [B, K]. It has timm's interface."""

    def __init__(self, widths: tuple[int, ...], *, n_classes: int) -> None:
        super().__init__()
        filters = 2 * 3 * PATCH**2
        self.whitening = nn.Conv2d(3, filters, PATCH, bias=True)
        self.whitening.weight.requires_grad_(False)
        self.activation = nn.GELU()
        self.blocks = nn.Sequential(
            *(_block(before, width) for before, width in zip((filters, *widths), widths, strict=False))
        )
        self.num_features = self.head_hidden_size = widths[-1]
        self.fc: nn.Module = nn.Linear(widths[-1], n_classes, bias=False)
        self.num_classes = n_classes

    def forward_features(self, images: Tensor) -> Tensor:
        """The last maps, [B, C, H / 8, W / 8]."""
        return self.blocks(self.activation(self.whitening(images)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K], or embeddings [B, C] after `reset_classifier(0)`."""
        embeddings = self.forward_features(images).amax((2, 3))
        return self.fc(embeddings) * LOGIT_SCALE if self.num_classes else embeddings

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int) -> None:
        """Puts a new last layer, or none for 0, in the place of the present one."""
        self.num_classes = num_classes
        self.fc = nn.Linear(self.num_features, num_classes, bias=False) if num_classes else nn.Identity()


@torch.no_grad()
def whiten(layer: nn.Conv2d, images: Tensor, *, epsilon: float = 5e-4) -> None:
    """Sets the filters so that the outputs on patches of `images` are uncorrelated, with variance near 1.

    `images` [N, 3, H, W] are normalized training images, of which the first 5000 are read. The filters are the
    eigenvectors of the patches' covariance, each divided by the root of its eigenvalue (plus `epsilon`, so that
    noise is not blown up), and the same negated: behind a GELU neither sign is lost.
    """
    height, width = layer.kernel_size
    patches = images[:WHITENING_IMAGES].unfold(2, height, 1).unfold(3, width, 1)  # [N, 3, h, w, height, width]
    rows = patches.movedim(1, 3).reshape(-1, layer.in_channels * height * width)
    values, vectors = torch.linalg.eigh(torch.cov(rows.T.double()))
    filters = (vectors / (values + epsilon).sqrt()).T.reshape(-1, *layer.weight.shape[1:]).flip(0)
    layer.weight.copy_(torch.cat((filters, -filters)))


def _block(before: int, width: int) -> nn.Sequential:
    norms = [nn.BatchNorm2d(width, eps=1e-12, momentum=0.4) for _ in range(2)]  # statistics keep 0.6 of their past
    for norm in norms:
        norm.weight.requires_grad_(False)
    return nn.Sequential(
        _convolution(before, width),
        nn.MaxPool2d(2),
        norms[0],
        nn.GELU(),
        _convolution(width, width),
        norms[1],
        nn.GELU(),
    )


def _convolution(before: int, width: int) -> nn.Conv2d:
    layer = nn.Conv2d(before, width, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[: min(before, width)])
    return layer
