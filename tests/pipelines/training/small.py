"""What the tests of trainings share: networks that are trained in a moment, and what they left."""

from pathlib import Path

import torch
from safetensors.torch import load_file

TINY = {
    "network": "resnet8",
    "width": 0.5,
    "dataset": "digits",
    "subset": 200,
    "test_subset": 100,
    "recipe": "cpu",
    "epochs": 2,
    "batch_size": 50,
    "crop": 0,
    "flip": "none",
    "small_share": 0.0,
    "tta": "none",
}
WORDS = tuple(word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", value))
DATA = ("--dataset", "digits", "--subset", 200, "--test-subset", 100)
SIZE = ("--image-size", 32)
RECIPE = ("--epochs", 1, "--batch-size", 50, "--flip", "none", "--crop", 0)


def tensors(answer: dict) -> dict[str, torch.Tensor]:
    """The tensors of the network that the run of this answer kept."""
    return load_file(Path(answer["path"]) / "network.safetensors")
