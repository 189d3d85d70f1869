"""Images to train on."""

import pytest
import torch

from finetune.augmentation.batches import LabeledImages


@pytest.fixture(scope="module")
def images():
    """100 random images of 16 pixels in 10 random classes: nothing to learn but by heart."""
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (100, 3, 16, 16), generator=chance).to(torch.uint8)
    return LabeledImages(pixels, torch.randint(0, 10, (100,), generator=chance))
