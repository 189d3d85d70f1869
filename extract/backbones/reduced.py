"""A network in bfloat16 or float16 whose embeddings still point where its float32 ones do.

Plainly cast, tf_efficientnet_lite0 loses its direction: on CIFAR-10 at 224 pixels the cosine between its bfloat16
and its float32 embeddings falls to 0.987. Four things bring it above 0.999 (`benchmarks.rounding`):

* BatchNorm is folded into the convolution before it while both are still float32, so one rounding is left of two
  (0.9978 is lost by rounding BatchNorm's own parameters alone). It also makes the uncompiled network faster.
* Weights are rounded so that the mean of every output is kept (`extract.backbones.rounding`); it costs nothing later.
* What rounding takes from the bias of a depthwise convolution, whose few weights cannot make up for it, is added
  behind it, where the sum is small and its rounding fine.
* In networks of EfficientNet's shape the stem and the first two stages stay in float32, where a plain cast turns the
  embeddings of photographs: the differences that their depthwise kernels take are smaller than a rounding step of what
  the stem gives. With one stage, 10 of 3,000 test images stay below 0.999; on the 16 worst of them two stages give
  0.9991 and more, three 0.9996. Of photographs, half of them pale, tf_efficientnet_lite0, 1 and 2 keep 0.988, 0.978 and
  0.969; networks of this shape with drawn weights keep 0.9997, and are bfloat16 from their stem on, as in float16 all.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from extract.backbones.folding import fold_batch_norms, is_plain_convolution
from extract.backbones.rounding import photographs, round_convolutions

FLOAT32_STAGES = 2
TURNED = 0.9995  # the cosine below which a plain cast turns an embedding


class Cast(nn.Module):
    """A tensor of whatever dtype -> the same in `dtype`."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, values: Tensor) -> Tensor:
        return values.to(self.dtype)


class Shifted(nn.Module):
    """Output of `convolution` plus the `rest` [C] of its bias."""

    rest: Tensor

    def __init__(self, convolution: nn.Conv2d, rest: Tensor) -> None:
        super().__init__()
        self.convolution = convolution
        self.register_buffer("rest", rest[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return self.convolution(images) + self.rest


@torch.no_grad()
def in_reduced_precision(
    network: nn.Module,
    dtype: torch.dtype,
    *,
    image_size: tuple[int, int],
    normalize: Callable[[Tensor], Tensor],
) -> nn.Module:
    """The float32 `network` (in evaluation mode) with its weights in `dtype`, changed in place.

    It takes images [B, 3, H, W] in the dtype of its first parameter: float32 where the first stages stay so.
    `image_size` (height, width) is a size that it accepts, and `normalize` makes levels 0..255 its float32 input.
    """
    fold_batch_norms(network, image_size=image_size)
    images = normalize(photographs(image_size))
    first = _first_stages(network)
    if first and _keeps_direction(network, dtype, images=_half_pale(images)):
        first = []
    exact = {id(part) for stage in first for part in stage.modules()}
    convolutions = [one for one in network.modules() if is_plain_convolution(one) and id(one) not in exact]
    biases = {one: None if one.bias is None else one.bias.clone() for one in convolutions}
    round_convolutions(convolutions, dtype, images=images, run=network)
    _cast(network, dtype, exact=first)
    for parent in list(network.modules()):
        for name, one in list(parent.named_children()):
            if (bias := biases.get(one)) is not None and is_depthwise(one):  # type: ignore[call-overload]
                setattr(parent, name, Shifted(one, (bias - one.bias).to(dtype)))  # type: ignore[arg-type,operator]
    if first:
        first[-1].append(Cast(dtype))  # type: ignore[operator]
    return network


def _half_pale(images: Tensor) -> Tensor:
    """Every other image with a quarter of its contrast, which depthwise kernels that take differences notice first."""
    means = images.mean((2, 3), keepdim=True)
    pale = means + (images - means) / 4
    return torch.where(torch.arange(len(images))[:, None, None, None] % 2 == 0, images, pale)


def _keeps_direction(network: nn.Module, dtype: torch.dtype, *, images: Tensor) -> bool:
    """Whether all embeddings of `images` point the same way when everything is plainly cast to `dtype`.

    Simulated, so that every processor gives the same answer; image by image, so that large ones need little memory.
    """
    cast = as_units_round(copy.deepcopy(network).to(dtype), dtype)
    pairs = ((cast(image.to(dtype).float()), network(image)) for image in images.split(1))
    return all(bool(nn.functional.cosine_similarity(*pair) >= TURNED) for pair in pairs)


def as_units_round(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """`network` in float32 arithmetic, in place, the results of its parts in `dtype` rounded as units for it do."""
    rounded = [one for one in network.modules() if isinstance(one, nn.Conv2d) and one.weight.dtype == dtype]
    inside = {id(one) for one in rounded}
    rounded += [one for one in network.modules() if any(id(part) in inside for part in one.children())]
    rounded += [one for one in network.modules() if isinstance(one, Cast)]
    network.float()
    for one in rounded:
        one.register_forward_hook(lambda _, __, output: output.to(dtype).float())
    return network


def _cast(network: nn.Module, dtype: torch.dtype, *, exact: Sequence[nn.Module]) -> None:
    """Casts weights and buffers in place, those in the modules `exact` excepted.

    By `Module.to`, which timm's rotary embeddings override: their frequencies never fall below float32.
    """
    kept = [
        (part, name, one.data)
        for stage in exact
        for part in stage.modules()
        for name, one in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))
    ]
    network.to(dtype)
    for part, name, data in kept:
        getattr(part, name).data = data


def is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups > 1 and module.weight.shape[1] == 1


def _first_stages(network: nn.Module) -> list[nn.Module]:
    """Stem and first stages of a network of EfficientNet's shape, in order; nothing of another."""
    for one in (network, getattr(network, "network", network)):
        blocks = getattr(one, "blocks", None)
        if not isinstance(blocks, nn.Sequential) or not len(blocks) or not hasattr(one, "conv_stem"):
            continue
        stages = blocks[:FLOAT32_STAGES]
        if isinstance(stages[-1], nn.Sequential) and any(is_depthwise(part) for part in stages[0].modules()):
            stem = [part for name, part in one.named_children() if name in ("conv_stem", "bn1", "act1")]
            return [*stem, *stages]
    return []
