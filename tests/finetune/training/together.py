"""Run by test_distributed.py: one training in as many processes as torchrun or pair.py starts, or alone.

python together.py OUT            alone
python pair.py together.py OUT    together, over gloo
"""

import os
import sys
from pathlib import Path

import torch
from torch import distributed

from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from finetune.training.loop import fit


def main(out: Path) -> None:
    """Trains a small network without BatchNorm and writes its weights and history to `out`."""
    out.mkdir(exist_ok=True)
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (96, 3, 16, 16), generator=chance).to(torch.uint8)
    images = LabeledImages(pixels, torch.randint(0, 10, (96,), generator=chance))
    network = networks.build(
        "resnet20", n_classes=10, image_size=16, options={"depth": 8, "width": 0.5, "norm": "group"}
    )
    recipe = Recipe(
        epochs=3,
        batch_size=24,
        optimizer="nesterov",
        crop=2,
        cutout=4,
        mixup=0.3,
        ema=0.9,
        accumulate=2,
        compile="off",
        precision="float32",
    )
    fitted = fit(
        network,
        images,
        images,
        recipe=recipe,
        config=TrainConfig(((0.5,) * 3, (0.3,) * 3), device="cpu", checkpoint_folder=out / "kept"),
    )
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    torch.save({"weights": fitted.network.state_dict(), "history": fitted.history}, out / f"rank{rank}.pt")
    if distributed.is_initialized():
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
