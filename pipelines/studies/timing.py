"""Training speed of a network on this machine: a few real steps on noise, timed. Imports torch."""

from dataclasses import replace

import torch

from extract.errors import TransferBenchError
from finetune.architectures import modes, networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from finetune.training.loop import fit
from pipelines.specs import NetworkSpec

STEPS = 2  # in each of two epochs, of which the first is slow and does not count
LEAST_ROWS = 4  # of a batch
FEWEST_TIMED = 2 * STEPS * LEAST_ROWS  # images of both epochs, at the least
STEP_SECONDS = 1.0  # a step that would take longer has fewer images


def training_rate(spec: NetworkSpec, *, classes: int, image_size: int, device: str, expected: float) -> float | None:
    """Images a second of training by `spec`, at the full image size; None where no step can be taken.

    `expected` is a rough guess of it, by which batches are cut that would take too long to time.
    """
    recipe = spec.resolved_recipe()
    rows = max(min(recipe.batch_size, int(expected * STEP_SECONDS)), LEAST_ROWS)
    short = replace(recipe, epochs=2, batch_size=rows, accumulate=1, small_share=0.0, patience=None, tta="none")
    try:
        return _rate(spec, short, classes=classes, image_size=image_size, device=device)
    except (TransferBenchError, RuntimeError):  # what cannot be trained is said by the plan, or by the job itself
        return None


def _rate(spec: NetworkSpec, recipe: Recipe, *, classes: int, image_size: int, device: str) -> float:
    network = networks.build(spec.network, class_count=classes, image_size=image_size, options=spec.architecture())
    if (stages := spec.trained_stages()) is not None:
        modes.freeze(network, trained_stages=stages)
    count = recipe.batch_size * STEPS
    noise = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (count, 3, image_size, image_size), dtype=torch.uint8, generator=noise)
    images = LabeledImages(levels, torch.arange(count) % classes)
    half = (0.5, 0.5, 0.5)
    found = fit(network, images, None, recipe=recipe, config=TrainConfig((half, half), device=device))
    return count / max(float(found.history[-1]["seconds"]), 1e-3)
