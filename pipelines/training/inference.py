"""Batches of raw images -> the logits of a trained network, the same bits whichever images go together."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from extract.backbones.transforms import Preprocessing
from extract.runtime.devices import automatic_batch_size, channels_last, torch_device
from finetune.training import evaluate


def batch_size(
    network: nn.Module, preprocessing: Preprocessing, *, device: str, recipe_options: Mapping[str, Any]
) -> int:
    """Images that go through `network` at once, which the recipe's options bound: training had memory for its own.

    A recipe without a batch, of a network that is not trained, bounds nothing.
    """
    part_rows = None
    if recipe_options.get("batch_size") is not None:
        part_rows = recipe_options["batch_size"] // recipe_options.get("accumulate", 1)
    most = automatic_batch_size(device, preprocessing.image_size[0])
    return evaluate.rows_at_once(network, image_size=preprocessing.image_size, part_rows=part_rows, most=most)


def logits(
    network: nn.Module,
    batches: Iterable[Tensor],
    *,
    rows: int,
    preprocessing: Preprocessing,
    device: str,
    precision: str = "float32",
    resize: nn.Module | None,
    tta: str = "none",
    fill: bool = True,
    stepped: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """float32 [N, K] for batches of uint8 images [B, 3, h, w], each at most `rows` long.

    Shorter batches are filled up with black images (not where `fill` is False): a library may compute another
    batch size another way, and an image alone would then differ from the same image among others in the last bits.
    `stepped` hears of the images of every batch.
    """
    place = torch_device(device)
    ready = channels_last(network, place).eval()
    pieces = []
    for batch in batches:
        black = batch.new_zeros((rows - len(batch) if fill else 0, *batch.shape[1:]))
        found = evaluate.logits(
            ready,
            torch.cat([batch, black]),
            normalization=(preprocessing.mean, preprocessing.std),
            tta=tta,
            batch_size=rows,
            precision=precision,
            resize=None if resize is None else resize.to(place),
        )
        pieces.append(found[: len(batch)])
        stepped(len(batch))
    return torch.cat(pieces).numpy()
