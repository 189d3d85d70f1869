"""The learning-rate range test (Smith, "Cyclical learning rates", 2017): the loss while the rate rises."""

import copy
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from extract.errors import InvalidInputError, TransferBenchError
from finetune.augmentation.batches import LabeledImages, TrainingBatch
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from finetune.training.trainer import Trainer
from heads.neural import optimize
from heads.neural.optimize import Step

SMOOTHING = 0.9
DIVERGED = 4.0  # times the lowest loss: the test ends there


@dataclass(frozen=True)
class RangeTest:
    """`losses` are smoothed without lag, one for each of the rising `rates`, up to where training diverged.

    `suggestion` is a peak rate for a schedule: where the loss falls fastest per decade of the rate.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float


def find_learning_rate(
    network: nn.Module,
    train: LabeledImages,
    *,
    recipe: Recipe,
    config: TrainConfig,
    lowest: float = 1e-4,
    highest: float = 10.0,
    steps: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> RangeTest:
    """The losses of a copy of `network`, trained by `recipe` while its rate rises from `lowest` to `highest`.

    `network` itself is left alone. Raises InvalidInputError where the range or the number of `steps` is too small.
    """
    if not 0 < lowest < highest or steps < 10:
        raise InvalidInputError(
            f"learning rates must rise from above 0 in at least 10 steps; got {lowest} to {highest} in {steps}. "
            "Use 1e-4 to 10 in 100."
        )

    def rate(step: int) -> float:
        return lowest * (highest / lowest) ** (step / (steps - 1))

    plain = replace(recipe, learning_rate=1.0, ema=0.0, lookahead=0, patience=None, small_share=0.0)
    trainer = Trainer(copy.deepcopy(network), train, recipe=replace(plain, compile="off"), config=config)
    with trainer.surroundings():
        trainer.start()
        losses = _rising_losses(trainer, rate, steps=steps, progress=progress)
    rates = [rate(step) for step in range(len(losses))]
    return RangeTest(rates, losses, suggestion(rates, losses))


def suggestion(rates: list[float], losses: list[float]) -> float:
    """The rate at which `losses` fall fastest from step to step, before they reach their lowest."""
    if len(losses) < 3:
        return rates[0]
    lowest = min(range(len(losses)), key=losses.__getitem__)
    slopes = [losses[place + 1] - losses[place - 1] for place in range(1, max(lowest, 2))]
    return rates[1 + min(range(len(slopes)), key=slopes.__getitem__)]


def _rising_losses(
    trainer: Trainer, rate: Callable[[int], float], *, steps: int, progress: Callable[[int, int], None] | None
) -> list[float]:
    """The losses, step by step, while training follows the `rate`; it stops once they are far above their lowest."""
    raw: list[float] = []
    parts: list[float] = []  # of the batch that is under way

    def loss(batch: TrainingBatch) -> Step:
        taken = trainer.loss(batch)
        parts.append(float(taken.sums["running_training_loss"]) / taken.row_count)
        return taken

    def stepped() -> None:
        raw.append(statistics.fmean(parts))
        parts.clear()
        if progress is not None:
            progress(len(raw), steps)

    def is_over(*_: object) -> bool:
        smooth = _smoothed(raw)
        return len(smooth) >= steps or not smooth[-1] <= DIVERGED * min(smooth)

    epochs = optimize.train(
        loss,
        trainer.epoch_batches,
        optimizer=trainer.optimizer,
        schedule=rate,
        epochs=-(-steps // trainer.steps_per_epoch),
        steps_per_epoch=trainer.steps_per_epoch,
        before_step=trainer.clip_gradients,
        after_step=stepped,
        accumulate=trainer.recipe.accumulate,
        stop=is_over,
    )
    for _ in epochs:
        if is_over():
            break
    return centered(_finite(raw[:steps]))


def _finite(raw: list[float]) -> list[float]:
    losses = list(itertools.takewhile(math.isfinite, raw))
    if not losses:
        raise TransferBenchError(
            "range test must begin with a finite loss; got none at the lowest learning rate. Check the images and the "
            "weights, or take --precision float32."
        )
    return losses


def centered(values: list[float]) -> list[float]:
    """The exponential average of `values` from the start, averaged once more from the end, so that it lags nowhere.

    What diverges at the end counts as the loss at which the test ends, so that it does not reach back.
    """
    ahead = _smoothed(values)
    limit = max(ahead[0], DIVERGED * min(ahead))
    return _smoothed(_smoothed([min(value, limit) for value in values])[::-1])[::-1]


def _smoothed(values: list[float]) -> list[float]:
    """The exponential average of `values`, corrected for its start."""
    result, average = [], 0.0
    for count, value in enumerate(values, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * value
        result.append(average / (1 - SMOOTHING**count))
    return result
