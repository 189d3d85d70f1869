"""Run by test_distributed.py in two processes: trainings in which each, left to itself, would decide otherwise.

python pair.py agreed.py OUT
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from extract.errors import TransferBenchError
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training import history
from finetune.training.config import TrainConfig
from finetune.training.loop import Fitted, fit
from finetune.training.trainer import Trainer


def trained(**options: Any) -> Fitted:
    """A network with BatchNorm, whose statistics each process has of its own slices, scored on few images."""
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (96, 3, 8, 8), generator=chance).to(torch.uint8)
    images = LabeledImages(pixels, torch.randint(0, 4, (96,), generator=chance))
    network = networks.build("resnet20", n_classes=4, image_size=8, options={"depth": 8, "width": 0.5})
    return fit(
        network,
        LabeledImages(images.images[:64], images.labels[:64]),
        LabeledImages(images.images[64:], images.labels[64:]),
        recipe=Recipe(batch_size=16, crop=0, flip="none", compile="off", **options),
        config=TrainConfig(((0.5,) * 3, (0.3,) * 3), device="cpu"),
    )


def main(out: Path) -> None:
    """Writes the history of a training that ends by patience, and how one ends that the second process gives up."""
    out.mkdir(exist_ok=True)
    distributed.init_process_group("gloo", timeout=timedelta(seconds=30))
    history.PLATEAU_EPOCHS = 2
    fitted = trained(epochs=12, patience=5, schedule="plateau")
    if distributed.get_rank() == 1:
        Trainer.is_finite = lambda _: False  # type: ignore[method-assign]
    try:
        trained(epochs=2)
        ending = ""
    except TransferBenchError as error:
        ending = str(error)
    torch.save({"history": fitted.history, "ending": ending}, out / f"rank{distributed.get_rank()}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
