"""A network in bfloat16 or float16 whose embeddings still point where its float32 ones do.

Plainly cast, tf_efficientnet_lite0 loses its direction: on CIFAR-10 at 224 pixels the cosine between its bfloat16
and its float32 embeddings falls to 0.987. Three things bring it back to 0.9995 and cost next to nothing:

* BatchNorm is folded into the convolution before it while both are still float32, so one rounding is left of two
  (0.9978 is lost by rounding BatchNorm's own parameters alone). It also makes the uncompiled network faster.
* A depthwise kernel is rounded so that its sum is kept. Its input is often nearly constant, so an error of the
  sum counts fully (cosine 0.9987), while errors that cancel count little (0.9999); the idea is that of the bias
  correction of Nagel et al., "Data-free quantization through weight equalization" (ICCV 2019), without a bias.
* In networks of EfficientNet's shape the stem and the first stage stay in float32: the differences that their
  depthwise kernels take are smaller than a rounding step of what the stem gives (cosine 0.9984).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

FOLDING_TOLERANCE = 1e-3  # relative; folding reorders float32 arithmetic, a wrong pair changes everything


class Cast(nn.Module):
    """Any tensor -> the same in `dtype`."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, values: Tensor) -> Tensor:
        return values.to(self.dtype)


@torch.no_grad()
def in_reduced_precision(network: nn.Module, dtype: torch.dtype, *, image_size: tuple[int, int]) -> nn.Module:
    """The float32 `network` (in evaluation mode) with its weights in `dtype`, changed in place.

    It takes images [B, 3, H, W] in the dtype of its first parameter: float32 where the first stage stays so.
    `image_size` (height, width) is a size that it accepts.
    """
    fold_batch_norms(network, image_size=image_size)
    first = _first_stage(network)
    exact = {id(part) for stage in first for part in stage.modules()}
    for part in network.modules():
        if id(part) in exact:
            continue
        if _is_depthwise(part):
            part.weight = nn.Parameter(rounded_keeping_sums(part.weight, dtype), requires_grad=False)  # type: ignore[arg-type]
        for tensor in [*part.parameters(recurse=False), *part.buffers(recurse=False)]:
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(dtype)
    if first:
        first[-1].append(Cast(dtype))  # type: ignore[operator]
    return network


def rounded_keeping_sums(kernels: Tensor, dtype: torch.dtype) -> Tensor:
    """`kernels` float32 [C, 1, h, w] in `dtype`, each value rounded up or down so that its kernel's sum is kept.

    Greedy: the value whose other neighbour brings the sum nearest is moved, until none helps. So the error of a
    sum is never larger than with each value rounded to the nearest.
    """
    rounded = kernels.to(dtype)
    up = torch.full_like(rounded, float("inf"))
    other = torch.where(kernels >= rounded, torch.nextafter(rounded, up), torch.nextafter(rounded, -up))
    values = rounded.double().flatten(1)
    steps = other.double().flatten(1) - values
    error = (kernels.double().flatten(1) - values).sum(1, keepdim=True)
    for _ in range(steps.shape[1]):
        gains = error.abs() - (error - steps).abs()
        best = gains.argmax(1, keepdim=True)
        move = torch.where(gains.gather(1, best) > 0, steps.gather(1, best), 0.0)
        if not move.any():
            break
        values.scatter_add_(1, best, move)
        steps.scatter_add_(1, best, -move)  # a value moves once
        error -= move
    return values.view_as(kernels).to(dtype)


@torch.no_grad()
def fold_batch_norms(network: nn.Module, *, image_size: tuple[int, int]) -> int:
    """Folds every BatchNorm that reads a convolution's output alone into that convolution; gives their number.

    Which ones do is seen in a forward pass; the result must be what it was, or all is put back.
    """
    example = torch.rand(1, 3, *image_size, generator=torch.Generator().manual_seed(0))
    pairs = _pairs(network, example)
    expected = network(example)
    undo = [(conv, conv.weight, conv.bias, parent, key, norm) for conv, norm, parent, key in pairs]
    for convolution, norm, parent, key in pairs:
        _fold(convolution, norm)
        setattr(parent, key, _after_norm(norm))
    error = (network(example) - expected).abs().max()
    if error <= FOLDING_TOLERANCE * expected.abs().max():
        return len(pairs)
    for convolution, weight, bias, parent, key, norm in undo:
        convolution.weight, convolution.bias = weight, bias
        setattr(parent, key, norm)
    return 0


def _pairs(network: nn.Module, example: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d, nn.Module, str]]:
    """(convolution, norm, the norm's parent, its name there) for every norm that got a convolution's very output."""
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensors are held, so that no id comes twice
    calls: dict[nn.Module, int] = {}
    found: dict[nn.Module, nn.Conv2d] = {}

    def seen(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        if isinstance(module, nn.Conv2d):
            made[id(output)] = (module, output)
        elif id(inputs[0]) in made:
            found[module] = made[id(inputs[0])][0]

    watched = [one for one in network.modules() if type(one) is nn.Conv2d or _is_foldable(one)]
    handles = [one.register_forward_hook(seen) for one in watched]
    try:
        network(example)
    finally:
        for handle in handles:
            handle.remove()
    homes = {child: (parent, key) for parent in network.modules() for key, child in parent.named_children()}
    return [
        (convolution, norm, *homes[norm])  # type: ignore[misc]
        for norm, convolution in found.items()
        if calls[norm] == 1 and calls[convolution] == 1
    ]


def _is_foldable(module: nn.Module) -> bool:
    """BatchNorm2d itself, or timm's with an activation behind it; with statistics and parameters of its own."""
    known = type(module) is nn.BatchNorm2d or type(module).__name__ == "BatchNormAct2d"
    return known and module.running_mean is not None and module.weight is not None


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = norm.running_mean.new_zeros(()) if convolution.bias is None else convolution.bias
    weight = convolution.weight * scale[:, None, None, None]
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(norm.bias + (bias - norm.running_mean) * scale, requires_grad=False)


def _after_norm(norm: nn.BatchNorm2d) -> nn.Module:
    """What is left of a folded norm: the activation that timm's have behind it, or nothing."""
    return nn.Sequential(*(getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)))


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups > 1 and module.weight.shape[1] == 1


def _first_stage(network: nn.Module) -> list[nn.Module]:
    """Stem and first stage of a network of EfficientNet's shape, in order; nothing of another."""
    for one in _itself_and_wrapped(network):
        blocks = getattr(one, "blocks", None)
        if not isinstance(blocks, nn.Sequential) or not len(blocks) or not hasattr(one, "conv_stem"):
            continue
        stage = blocks[0]
        if isinstance(stage, nn.Sequential) and any(_is_depthwise(part) for part in stage.modules()):
            return [*(part for name, part in one.named_children() if name in ("conv_stem", "bn1", "act1")), stage]
    return []


def _itself_and_wrapped(network: nn.Module) -> Iterator[nn.Module]:
    yield network
    if isinstance(getattr(network, "network", None), nn.Module):
        yield network.network  # type: ignore[misc]
