"""The loss of a batch: smoothed, blended cross-entropy, with weights of classes where there are some."""

import numpy as np
import torch
from torch import Tensor

from finetune.augmentation.batches import TrainingBatch
from finetune.recipes import Recipe
from heads.imbalance.class_weights import class_weights


def weights_of(recipe: Recipe, labels: Tensor, class_names: tuple[str, ...]) -> Tensor | None:
    """The weight float32 [K] of each class in the loss, such that the mean over `labels` int64 [N] is 1; None for none.

    Weights of a recipe are by class name, or by label where there are no names.
    """
    if recipe.class_weights == "none":
        return None
    targets = labels.cpu().numpy()
    present, encoded = np.unique(targets, return_inverse=True)
    known = [class_names[label] if class_names else int(label) for label in present]
    found = class_weights(recipe.class_weights, known, encoded)
    assert found is not None
    every = torch.ones(max(len(class_names), int(present.max()) + 1), dtype=torch.float64)
    every[torch.from_numpy(present)] = found
    return (every / every[torch.from_numpy(targets)].mean()).float().to(labels.device)


def losses(
    log_probabilities: Tensor, batch: TrainingBatch, *, smoothing: float, class_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(plain cross-entropy of each row [B], what is minimized of it [B]): with smoothed targets, and weighted."""
    plain = _blended(_own(log_probabilities, batch.labels), _other(log_probabilities, batch), batch)
    uniform = -log_probabilities.mean(1)
    if class_weights is None:
        return plain, torch.lerp(plain, uniform, smoothing) if smoothing else plain
    parts = [
        None
        if labels is None
        else class_weights[labels] * torch.lerp(_own(log_probabilities, labels), uniform, smoothing)
        for labels in (batch.labels, batch.other_labels)
    ]
    assert parts[0] is not None
    return plain, _blended(parts[0], parts[1], batch)


def _own(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    return -log_probabilities.gather(1, labels[:, None])[:, 0]


def _other(log_probabilities: Tensor, batch: TrainingBatch) -> Tensor | None:
    return None if batch.other_labels is None else _own(log_probabilities, batch.other_labels)


def _blended(own: Tensor, other: Tensor | None, batch: TrainingBatch) -> Tensor:
    return own if other is None else torch.lerp(other, own, batch.share)
