"""A training as people watch it: how far it is, how good so far, how long it will take."""

import math
from dataclasses import dataclass, field

from extract.extraction import Estimate
from finetune.train import Moment
from pipelines.context import Context


@dataclass
class Watch:
    """Turns moments of a training on `images` images into progress, a status line, and one estimate at its start."""

    context: Context
    images: int
    estimated: bool = field(default=False, init=False)

    def moment(self, now: Moment) -> None:
        """Passes one moment on."""
        share = (now.epoch - 1 + now.step / max(now.steps, 1)) / now.epochs
        total = now.epochs * self.images
        self.context.progress(round(share * total), total, "training images")
        self.context.status(line(now), now.row is not None)
        if not self.estimated and now.images_per_second > 0 and math.isfinite(now.seconds_left):
            self.estimated = True
            self.context.estimated(Estimate(now.seconds_left, 0, 0, now.images_per_second))


def line(now: Moment) -> str:
    """Where a training stands, in one line."""
    row = now.row or {}
    parts = [
        f"epoch {now.epoch} of {now.epochs}",
        f"loss {now.train_loss:.3f}",
        f"accuracy {now.train_accuracy:.1%}",
    ]
    if "held_out_accuracy" in row:
        parts.append(f"held out {row['held_out_accuracy']:.1%}")
    parts.append(f"rate {now.learning_rate:.2g}")
    parts.append(f"{now.images_per_second:.0f} images a second")
    return ", ".join(parts)
