"""Weights of convolutions rounded so that what they give on average stays what it was.

The error that rounding leaves in an output is a constant, (error of the weights) x (mean of the inputs), plus noise
that averages out. The constant does not: it points the same way in every image, and layer after layer adds to it.
So each weight is rounded up or down such that the constants vanish, the error of the rounded bias among them. It is
the bias correction of Nagel et al., "Data-free quantization through weight equalization" (ICCV 2019), done by the
weights, since a bias in bfloat16 is too coarse to hold it. The means are those of the two photographs that
scikit-learn ships, so they depend on no data set.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from extract.data.digits import shipped
from extract.runtime.devices import limited_threads
from extract.runtime.machine import thread_count

MOVES = 64  # at most so many weights of an output are moved, which bounds the work
CANDIDATES = 2048  # among about so many of them, evenly spread: vgg16_bn has outputs of 25,088 weights
CHUNK = 2**22  # weights at a time, so that memory stays small beside the network


@torch.no_grad()
def round_convolutions(
    convolutions: Sequence[nn.Conv2d], dtype: torch.dtype, *, images: Tensor, run: Callable[[Tensor], object]
) -> None:
    """Casts weights and biases of `convolutions` to `dtype`; `run` sends `images` [B, C, H, W] through their network.

    Each image is sent alone, on a thread of its own: what is rounded up depends on no number of threads.
    """
    means = _input_means(convolutions, images, run)
    for one in convolutions:
        weight, bias = one.weight, one.bias
        mean = means[one].repeat_interleave(weight[0, 0].numel())  # [inputs x positions]
        per_group = mean.view(one.groups, 1, -1).expand(-1, len(weight) // one.groups, -1)
        per_output = per_group[0] if one.groups == 1 else per_group.flatten(0, 1)  # [O, n], a view where it is large
        error = torch.zeros(len(weight), dtype=torch.float64)
        if bias is not None:
            error = bias.to(dtype).double() - bias.double()
            one.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
        rows = max(CHUNK // mean.numel(), 1)
        kept = [
            rounded_keeping_means(weights, dtype, means=means, error=errors)
            for weights, means, errors in zip(
                weight.flatten(1).split(rows), per_output.split(rows), error.split(rows), strict=True
            )
        ]
        one.weight = nn.Parameter(torch.cat(kept).view_as(weight), requires_grad=False)


def rounded_keeping_means(weights: Tensor, dtype: torch.dtype, *, means: Tensor, error: Tensor) -> Tensor:
    """`weights` float32 [O, n] in `dtype`, each rounded up or down so that sum(weights x means) + `error` is kept.

    `means` [O, n] are those of the inputs, `error` [O] is one that the output has already. Greedy: the weight whose
    other neighbor brings the sum nearest is moved, until none helps; so few are moved, and the error of a sum is
    never larger than with each weight rounded to the nearest.
    """
    rounded = weights.to(dtype)
    missing = ((weights.double() - rounded.double()) * means).sum(1) - error
    some = slice(None, None, -(-weights.shape[1] // CANDIDATES))
    exact, values = weights[:, some], rounded[:, some]
    up = torch.full_like(values, float("inf"))
    other = torch.where(exact >= values, torch.nextafter(values, up), torch.nextafter(values, -up))
    moves = torch.where(exact == values, 0.0, other.double() - values.double())  # what needs no rounding stays
    steps = moves * means[:, some]
    moved = torch.zeros_like(moves, dtype=torch.bool)
    rows = torch.arange(len(weights))  # those that a move may still help
    for _ in range(MOVES):
        left = (missing[rows, None] - steps[rows]).abs()
        best = left.argmin(1)
        helps = left.gather(1, best[:, None])[:, 0] < missing[rows].abs()
        rows, best = rows[helps], best[helps]
        if not len(rows):
            break
        moved[rows, best] = True
        missing[rows] -= steps[rows, best]
        steps[rows, best] = 0.0  # a weight moves once
    rounded[:, some] = torch.where(moved, other, values)
    return rounded


def photographs(image_size: tuple[int, int]) -> Tensor:
    """Levels 0..255, float32 [12, 3, *image_size]: squares of the two photographs that scikit-learn ships."""
    photos = (np.asarray(Image.open(shipped("images", name))) for name in ("china.jpg", "flower.jpg"))
    squares = [
        photo[top : top + 224, left : left + 224] for photo in photos for top in (0, 203) for left in (0, 208, 416)
    ]
    levels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float()
    return nn.functional.interpolate(levels, image_size, mode="bilinear", antialias=True).clamp(0, 255)


def _input_means(
    convolutions: Sequence[nn.Conv2d], images: Tensor, run: Callable[[Tensor], object]
) -> dict[nn.Conv2d, Tensor]:
    here = threading.local()

    def seen(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        here.means[module].append(inputs[0].double().mean((0, 2, 3)))

    def of(image: Tensor) -> dict[nn.Conv2d, list[Tensor]]:
        means: dict[nn.Conv2d, list[Tensor]] = {one: [] for one in convolutions}
        here.means = means
        with torch.no_grad():
            run(image[None])
        return means

    handles = [one.register_forward_pre_hook(seen) for one in convolutions]
    try:
        with limited_threads(1), ThreadPoolExecutor(thread_count()) as pool:
            found = list(pool.map(of, images))
            return {
                one: torch.stack(
                    [mean for means in found for mean in means[one]]
                    or [torch.zeros(one.in_channels, dtype=torch.float64)]
                ).mean(0)
                for one in convolutions
            }
    finally:
        for handle in handles:
            handle.remove()
