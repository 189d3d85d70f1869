"""BatchNorm folded into the convolution before it, in float32: one affine map, and one rounding, fewer."""

from typing import TypeGuard

import torch
from torch import Tensor, nn

FOLDING_TOLERANCE = 1e-3  # relative; folding reorders float32 arithmetic, a wrong pair changes everything


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
        # What is left of it is the activation that timm's have behind them.
        rest = (getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name))
        setattr(parent, key, nn.Sequential(*rest))
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

    watched = [one for one in network.modules() if is_plain_convolution(one) or _is_foldable(one)]
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


def is_plain_convolution(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """A convolution by its weight and bias as they are, timm's with TensorFlow's padding among them."""
    return type(module) is nn.Conv2d or type(module).__name__ == "Conv2dSame"


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
