"""The loss of a batch with class weights: torch's weighted cross-entropy as the reference, blended or not."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from finetune.augmentation.batches import TrainingBatch
from finetune.recipes import Recipe
from finetune.training.loss import losses, weights_of

LABELS = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2, 2, 3])
NAMES = ("ant", "bee", "cat", "dog")


def batch(*, share=1.0, blended=False):
    """(a batch without inputs, log probabilities float32 [10, 4])."""
    table = torch.from_numpy(np.random.default_rng(0).normal(size=(10, 4))).float()
    other = LABELS.flip(0) if blended else None
    return TrainingBatch(torch.empty(0), LABELS, other, share, 1.0, (0, 0, 0)), table.log_softmax(1)


def test_balanced_weights_are_over_the_classes_that_occur_and_their_mean_over_the_images_is_one():
    found = weights_of(Recipe(class_weights="balanced"), LABELS, NAMES)
    assert found[LABELS].mean() == pytest.approx(1.0)
    sums = torch.bincount(LABELS, weights=found[LABELS].double(), minlength=4)
    assert sums[[0, 2, 3]].tolist() == pytest.approx([10 / 3] * 3, rel=1e-5)
    named = weights_of(Recipe(class_weights={"dog": 10.0}), LABELS, NAMES)
    assert (named[3] / named[0]).item() == pytest.approx(10.0)
    assert weights_of(Recipe(), LABELS, NAMES) is None


def test_the_mean_loss_is_torchs_weighted_cross_entropy():
    weights = weights_of(Recipe(class_weights="balanced"), LABELS, NAMES)
    one, logs = batch()
    plain, cost = losses(logs, one, smoothing=0.0, class_weights=weights)
    assert cost.mean().item() == pytest.approx(cross_entropy(logs, LABELS, weight=weights).item(), rel=1e-5)
    assert plain.mean().item() == pytest.approx(cross_entropy(logs, LABELS).item(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_blended_row_is_the_blend_of_both_weighted_losses(smoothing):
    weights = weights_of(Recipe(class_weights={"dog": 10.0}), LABELS, NAMES)
    one, logs = batch(share=0.7, blended=True)
    _, cost = losses(logs, one, smoothing=smoothing, class_weights=weights)
    parts = [
        weights[labels] * cross_entropy(logs, labels, reduction="none", label_smoothing=smoothing)
        for labels in (one.labels, one.other_labels)
    ]
    assert cost.tolist() == pytest.approx((0.7 * parts[0] + 0.3 * parts[1]).tolist(), rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_of_one_change_nothing(smoothing):
    one, logs = batch(share=0.6, blended=True)
    alike = losses(logs, one, smoothing=smoothing, class_weights=torch.ones(4))
    for ours, theirs in zip(alike, losses(logs, one, smoothing=smoothing, class_weights=None), strict=True):
        assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-5)
