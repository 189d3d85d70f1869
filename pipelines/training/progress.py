"""The progress of a training as people see it: its share, its scores so far, the time that is left."""

import math
from dataclasses import dataclass, field

from extract.features.extraction import Estimate
from extract.runtime.machine import thread_count
from finetune.recipes import RECIPES
from finetune.training.config import TrainingProgress
from pipelines.workspace.context import Context

LONG_SECONDS = 3600.0
LOOKS = 3  # inside the first epoch, before its speed is told: the first steps are slower than those to come
SHORTER_IMAGES, SHORTER_EPOCHS = 5000, RECIPES["cpu"].epochs


@dataclass
class ProgressReporter:
    """Turns the progress of a training on `images` images into a bar, a status line, and one estimate near its start.

    Where that is over an hour, it says what would be shorter, and where threads are left to others, how to take them.
    """

    context: Context
    images: int
    estimated: bool = field(default=False, init=False)
    looks: int = field(default=0, init=False)

    def report(self, now: TrainingProgress) -> None:
        """Passes one on."""
        share = (now.epoch - 1 + now.step / max(now.steps, 1)) / now.epochs
        total = now.epochs * self.images
        self.context.progress(round(share * total), total, "training images")
        self.context.status(f"epoch {now.epoch}/{now.epochs}", False)
        if now.row is not None:
            self.context.status(line(now), True)
        self.looks += 1
        if self.looks < LOOKS and now.row is None:
            return
        if not self.estimated and now.images_per_second > 0 and math.isfinite(now.seconds_left):
            self.estimated = True
            self.context.estimated(Estimate(now.seconds_left, 0, 0, now.images_per_second))
            if now.left_threads:
                total = thread_count()
                self.context.notice(
                    f"{total - now.left_threads} of {total} threads: other processes were busy when it began, and its "
                    f"last bits depend on the number. --threads {total} takes all, also of a training that goes on"
                )
            if now.seconds_left > LONG_SECONDS:
                self._advise(now)

    def _advise(self, now: TrainingProgress) -> None:
        count = min(SHORTER_IMAGES, self.images)
        subset = f" --subset {count}" if count < self.images else ""
        minutes = SHORTER_EPOCHS * count / now.images_per_second / 60
        if now.epochs * self.images / 2 > SHORTER_EPOCHS * count:
            self.context.notice(f"that is over an hour: --recipe cpu{subset} takes about {max(minutes, 1):.0f} min")


def line(now: TrainingProgress) -> str:
    """An epoch in one line: scores of its weights in evaluation mode, no running means."""
    assert now.row is not None, "an epoch that is over has a row"
    row = now.row
    parts = [
        f"epoch {now.epoch}/{now.epochs}",
        f"loss {row['training_loss']:.3f}",
        f"train {100 * row['training_accuracy']:.1f} %",
        *([f"val {100 * row['validation_accuracy']:.1f} %"] if "validation_accuracy" in row else []),
        f"lr {now.learning_rate:.2g}",
    ]
    return "  ".join(parts)
