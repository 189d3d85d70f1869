"""Logits of a trained network, plainly or averaged over views of every image.

Scores are computed in float32, whatever a network was trained in: in bfloat16 the two largest logits of an image are
often equal, and its answer another one.
"""

import contextlib

import torch
from torch import Tensor, nn
from torch.nn import functional

from extract.backbones.cost import cost
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import resolve_precision, torch_dtype
from extract.runtime.options import options_of
from finetune.augmentation.batches import LabeledImages, Normalization, NormalizePixels
from finetune.recipes import Recipe
from heads.metrics import ValidationScore

MOST_ROWS = 500  # images that are scored at once, where memory is no matter
SMALL_PIXELS = 64 * 64
FREE_BYTES, SMALL_FREE_BYTES = 64 << 20, 640 << 20  # what scoring may take in any case, of small images somewhat more


def rows_at_once(
    network: nn.Module, *, image_size: tuple[int, int], part_rows: int | None, most: int = MOST_ROWS
) -> int:
    """Images to be scored at once: `most`, or as many as need no more memory than training by `part_rows` at once.

    None for `part_rows` where nothing is trained. Scoring holds the input and the output of an operator, what a
    shortcut keeps beside them, and views of the images; training holds nearly all that operators make.
    """
    if part_rows is None:
        return most
    found, pixels = cost(network, image_size=image_size), image_size[0] * image_size[1]
    row_bytes = 2 * found.operator_bytes + 4 * (3 * 4 * pixels)
    free = SMALL_FREE_BYTES if pixels <= SMALL_PIXELS else FREE_BYTES
    return max(min(most, max(part_rows * found.activation_bytes // 4, free) // row_bytes), 1)


@torch.no_grad()
def logits(
    network: nn.Module,
    images: Tensor,
    *,
    normalization: Normalization,
    tta: str = "none",
    batch_size: int = MOST_ROWS,
    precision: str = "float32",
    resize: nn.Module | None = None,
) -> Tensor:
    """float32 [N, K] on the CPU for uint8 `images` [N, 3, H, W], in their order.

    `tta` "flip" averages the logits of each image and its mirror image; "shift" averages that with the mean
    over two copies moved by one pixel, up left and down right, each with its mirror image (airbench94). The
    network is in evaluation mode meanwhile and as before afterwards.
    """
    options_of(Recipe)["tta"].check(tta)
    device = next(network.parameters()).device
    normalize = NormalizePixels(normalization).to(device)
    pieces = []
    with memory_kept(), evaluating(network), autocast(device, precision):
        for part in images.split(batch_size):
            raw = part.to(device)
            inputs = normalize(resize(raw) if resize is not None else raw)
            pieces.append(_views(network, inputs, tta=tta))
        return torch.cat(pieces).cpu() if pieces else torch.empty(0, 0)


def scores(
    network: nn.Module,
    images: LabeledImages,
    *,
    part: str,
    normalization: Normalization,
    batch_size: int = MOST_ROWS,
    resize: nn.Module | None = None,
    criterion: str = "accuracy",
    class_weights: Tensor | None = None,
) -> dict[str, float]:
    """{"`part`_loss", "`part`_accuracy"} of plain logits of images as they are, in nats and as a fraction.

    Beside them stands the score by a `criterion` that is neither. All are `heads.metrics.ValidationScore`'s, by which
    heads are chosen: the loss has the `class_weights` [K], and one image adds a bounded share.
    """
    found = logits(
        network,
        images.images,
        normalization=normalization,
        batch_size=batch_size,
        resize=resize,
    )
    weights = None if class_weights is None else class_weights.cpu().numpy()
    score = ValidationScore.of(found.numpy(), images.labels.cpu().numpy(), weights)
    further = {} if criterion == "log_loss" else {f"{part}_{criterion}": getattr(score, criterion)}
    return {f"{part}_loss": score.log_loss, f"{part}_accuracy": score.accuracy, **further}


@contextlib.contextmanager
def evaluating(network: nn.Module):
    """Evaluation mode inside; every module's own mode is as before afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The arithmetic of `precision` on `device`; "auto" is bfloat16 where the hardware multiplies it."""
    name = "cpu" if device.type == "cpu" else f"cuda:{device.index or 0}"
    dtype = torch_dtype(resolve_precision(precision, name))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def _views(network: nn.Module, inputs: Tensor, *, tta: str) -> Tensor:
    if tta == "none":
        return network(inputs).float()
    plain = _mirrored(network, inputs)
    if tta == "flip":
        return plain
    padded = functional.pad(inputs, (1, 1, 1, 1), mode="reflect")
    height, width = inputs.shape[2:]
    moved = [_mirrored(network, padded[:, :, first : first + height, first : first + width]) for first in (0, 2)]
    return 0.5 * plain + 0.25 * (moved[0] + moved[1])


def _mirrored(network: nn.Module, inputs: Tensor) -> Tensor:
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    return 0.5 * (network(inputs).float() + network(inputs.flip(3)).float())
