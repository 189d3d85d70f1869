"""Batches of raw images -> the logits of a trained network, the same bits whichever images go together."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from extract.runtime import automatic_batch_size, torch_device
from extract.transforms import Preprocessing
from finetune import evaluate


def batch_size(preprocessing: Preprocessing, device: str) -> int:
    """Images that go through the network at once."""
    return automatic_batch_size(device, preprocessing.image_size[0])


def logits(
    network: nn.Module,
    given: Iterable[Tensor],
    *,
    preprocessing: Preprocessing,
    precision: str,
    device: str,
    resize: nn.Module | None,
    tta: str = "none",
    fill: bool = True,
    stepped: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """float32 [N, K] for batches of uint8 images [B, 3, h, w], each at most `batch_size` long.

    Shorter batches are filled up with black images (not where `fill` is False): a library may compute another
    batch size another way, and an image alone would then differ from the same image among others in the last bits.
    `stepped` hears of the images of every batch.
    """
    place, rows = torch_device(device), batch_size(preprocessing, device)
    ready = network.to(place, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    pieces = []
    for batch in given:
        black = batch.new_zeros((rows - len(batch) if fill else 0, *batch.shape[1:]))
        found = evaluate.logits(
            ready,
            torch.cat([batch, black]),
            normalisation=(preprocessing.mean, preprocessing.std),
            tta=tta,
            batch_size=rows,
            precision=precision,
            resize=None if resize is None else resize.to(place),
        )
        pieces.append(found[: len(batch)])
        stepped(len(batch))
    return torch.cat(pieces).numpy()
