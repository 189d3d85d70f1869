"""A small network, how tests train it, and what they ask of the result."""

import torch

from finetune.architectures import networks
from finetune.augmentation.batches import pixel_statistics
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from finetune.training.loop import fit

PLAIN = {"crop": 0, "flip": "none", "schedule": "constant", "batch_size": 20, "weight_decay": 0.0, "compile": "off"}


def small(norm="batch", **options):
    return networks.build(
        "resnet20", n_classes=10, image_size=16, options={"depth": 8, "width": 0.5, "norm": norm, **options}
    )


def trained(network, images, held=None, **options):
    places = {
        name: options.pop(name)
        for name in ("checkpoint_folder", "progress", "stop", "stop_epoch", "seed", "tensorboard")
        if name in options
    }
    return fit(
        network,
        images,
        held,
        recipe=Recipe(**{**PLAIN, **options}),
        config=TrainConfig(pixel_statistics(images.images), device="cpu", **places),
    )


def same(one, other, tolerance=0.0):
    pairs = [(one.state_dict()[name], other.state_dict()[name]) for name in one.state_dict()]
    return all(torch.allclose(a.double(), b.double(), atol=tolerance, rtol=0) for a, b in pairs)


def row(epoch, accuracy, loss=1.0):
    """One epoch in the history of a training."""
    return {"epoch": epoch, "running_training_loss": loss, "validation_loss": loss, "validation_accuracy": accuracy}
