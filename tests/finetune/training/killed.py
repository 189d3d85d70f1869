"""Run by test_checkpoint.py in a process of its own: one training that is killed again and again.

Children are forked from here, with torch imported but never used, so that six kills cost seconds and not six
imports.
"""

import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path

import timm  # noqa: F401 (imported once, for all children)
import torch

from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from finetune.training.loop import fit

KILLS = 6
RECIPE = Recipe(
    epochs=8,
    batch_size=20,
    optimizer="nesterov",
    ema=0.95,
    crop=2,
    mixup=0.2,
    patience=7,
    compile="off",
)


def train(folder: Path) -> None:
    """A small training with every kind of state: momentum, averages, best weights, dropout, statistics."""
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 3, 8, 8), generator=chance).to(torch.uint8)
    images = LabeledImages(pixels, torch.randint(0, 10, (60,), generator=chance))
    options = {"depth": 8, "width": 0.5, "dropout": 0.2}
    network = networks.build("resnet20", n_classes=10, image_size=8, options=options)
    fitted = fit(
        network,
        images,
        images,
        recipe=RECIPE,
        config=TrainConfig(
            ((0.5, 0.5, 0.5), (0.3, 0.3, 0.3)), device="cpu", checkpoint_folder=folder, spec_digest="a" * 64
        ),
    )
    content = b"".join(value.numpy().tobytes() for value in fitted.network.state_dict().values())
    losses = [[row["running_training_loss"], row["validation_loss"], row["learning_rate"]] for row in fitted.history]
    (folder / "result").write_text(hashlib.sha256(content).hexdigest() + repr(losses))


def start(folder: Path) -> int:
    """The process id of a child that trains in `folder`."""
    child = os.fork()
    if child:
        return child
    torch.set_num_threads(1)
    try:
        train(folder)
    except BaseException as error:  # noqa: BLE001 (a child must not return into the parent's code)
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def finish(child: int) -> int:
    """The exit status of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(root: Path) -> None:
    """Kills one training `KILLS` times while it gets on; its end must be that of an uninterrupted one."""
    begun = time.perf_counter()
    assert finish(start(root / "reference")) == 0
    whole_seconds = time.perf_counter() - begun
    expected = (root / "reference" / "result").read_text()
    chance = random.Random(0)
    kills, folder = 0, root / "killed"
    while kills < KILLS:
        child = start(folder)
        time.sleep(chance.uniform(0.1, 0.4) * whole_seconds)
        os.kill(child, signal.SIGKILL)
        if finish(child) == -signal.SIGKILL:
            kills += 1
            continue
        assert (folder / "result").read_text() == expected  # it ended before: again from the start
        folder.rename(root / f"done{kills}")
    assert finish(start(folder)) == 0
    assert (folder / "result").read_text() == expected
    print(f"{kills} kills, the result equals that of an uninterrupted training")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
