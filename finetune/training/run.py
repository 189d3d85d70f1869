"""Drives a training from epoch to epoch: judges, keeps, tells, and ends it when it is over, asked to, or lost."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.errors import TransferBenchError, UnavailableError
from extract.runtime.disk import disk_errors
from finetune.augmentation.batches import LabeledImages
from finetune.training import distributed, history
from finetune.training.checkpoint_manager import CheckpointManager
from finetune.training.trainer import Trainer
from heads.neural.optimize import Epoch, Totals

LOOK_SECONDS = {"cpu": 1.0, "cuda": 10.0}  # between looks at the losses inside an epoch, for which the device waits


class TrainingInterruptedError(TransferBenchError):
    """A training that was asked to stop; its checkpoint lets the same command go on."""


@dataclass(frozen=True)
class Moment:
    """Where a training stands: `step` of `steps` in `epoch` (from 1) of `epochs`; the epoch's running means.

    `row` is the epoch's line of the history once it is over, None before.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    running_training_loss: float
    running_training_accuracy: float
    learning_rate: float
    images_per_second: float
    seconds_left: float
    row: history.Row | None


class Run:
    """`to_the_end` trains until the recipe is over; `progress` hears of every epoch, and now and then inside one."""

    def __init__(
        self,
        trainer: Trainer,
        held: LabeledImages | None,
        keeper: CheckpointManager,
        *,
        progress: Callable[[Moment], None] | None,
        stop: Callable[[], bool] | None,
        tensorboard: Path | None,
    ) -> None:
        self._trainer, self._held, self._keeper = trainer, held, keeper
        self._progress, self._stop = progress, stop
        self._board = _board(tensorboard, trainer.rows) if tensorboard is not None and distributed.rank() == 0 else None
        self._look_seconds = LOOK_SECONDS[trainer.how.device.type]
        self._clock = self._looked = time.perf_counter()
        self._here_seconds, self._here_steps = 0.0, 0  # of whole epochs in this process
        self._first_step = trainer.begun.step if trainer.begun else 0
        self._warm: tuple[float, int] | None = None  # when the first step here was over, and its number

    def to_the_end(self) -> None:
        """Runs what is left of the epochs, keeps every one, and leaves the result in the network."""
        try:
            if not self._is_over():
                self._train()
        finally:
            if self._board is not None:
                self._board.close()
        self._trainer.finish()

    def _train(self) -> None:
        trainer = self._trainer
        for epoch in trainer.epochs(stop=self._after_step):
            self._take(epoch)
            if self._is_over():
                break
            if distributed.any_says(self._stop is not None and self._stop(), trainer.how.device):
                raise self._interrupted()

    def _is_over(self) -> bool:
        trainer = self._trainer
        return history.is_over(trainer.rows, epochs=trainer.last_epoch, patience=trainer.recipe.patience)

    def _take(self, epoch: Epoch) -> None:
        """One epoch, whole or cut short."""
        trainer, seconds = self._trainer, time.perf_counter() - self._clock
        trainer.seconds += seconds
        trainer.epoch_seconds += seconds
        if not epoch.complete:
            self._check(epoch.means, weights=True)
            trainer.begun = epoch.totals
            self._keeper.keep()
            raise self._interrupted()
        trainer.begun = None
        self._here_seconds += seconds
        self._here_steps += epoch.totals.step - self._first_step
        self._first_step = 0
        row = self._judged(epoch, trainer.epoch_seconds)
        trainer.epoch_seconds = 0.0
        self._record(row)  # before the checkpoint: killed in between, the epoch is done and recorded again
        self._keeper.keep()
        self._tell(epoch.totals, row)
        self._clock = time.perf_counter()

    def _judged(self, epoch: Epoch, seconds: float) -> history.Row:
        """The epoch's row, appended to the history; its weights are remembered where they are the best so far.

        The first process judges for all: on a CPU each has BatchNorm statistics of its own, and what they decide by
        the row (the rate, the end) they must decide alike, or they wait for one another for ever.
        """
        trainer = self._trainer
        means = distributed.add_up(epoch.totals).means()
        self._check(means, weights=True)
        rate = trainer.rate((epoch.index + 1) * trainer.steps_per_epoch - 1)
        row: history.Row = {"epoch": epoch.index + 1, "learning_rate": rate, "seconds": round(seconds, 3)}
        row |= {name: float(value) for name, value in means.items()}  # type: ignore[arg-type]
        ema = trainer.averages.get("ema")
        with ema.shown() if ema is not None else nullcontext():
            if distributed.rank() == 0:
                row |= trainer.scores(self._held)
            row = distributed.from_first(row)
            trainer.rows.append(row)
            if trainer.recipe.patience is not None and history.best_epoch(trainer.rows) == len(trainer.rows):
                trainer.keep_best()
        return row

    def _after_step(self, totals: Totals) -> bool:
        """Looks at the losses now and then; whether to stop here. Several processes end only between epochs."""
        now = time.perf_counter()
        if self._warm is None:
            self._warm, self._looked = (now, totals.step), now
        if now - self._looked > self._look_seconds:
            self._looked = now
            if distributed.world_count() == 1:  # each looks at another moment, and must not leave the others alone
                self._check(totals.means(), weights=False)
            self._tell(totals, None)
        return self._stop is not None and distributed.world_count() == 1 and self._stop()

    def _check(self, means: dict[str, Any], *, weights: bool) -> None:
        """Raises where the mean loss, or with `weights` any weight, is no finite number in any of the processes."""
        loss, trainer = means["running_training_loss"], self._trainer
        lost = not math.isfinite(loss) or (weights and not trainer.is_finite())
        if distributed.any_says(lost, trainer.how.device):
            raise TransferBenchError(
                f"training must keep a finite loss and weights; got a loss of {loss} in epoch "
                f"{len(trainer.rows) + 1}. {self._keeper.what_is_kept()}; "
                f"lower the learning rate ({trainer.recipe.learning_rate}), warm up longer or set a clip norm."
            )

    def _tell(self, totals: Totals, row: history.Row | None) -> None:
        if self._progress is None or distributed.rank():
            return
        trainer, means = self._trainer, totals.means()
        steps, seconds = self._pace(totals, within_epoch=row is None)
        done_steps = len(trainer.rows) * trainer.steps_per_epoch + (0 if row is not None else totals.step)
        left = trainer.last_epoch * trainer.steps_per_epoch - done_steps
        self._progress(
            Moment(
                epoch=len(trainer.rows) + (row is None),
                epochs=trainer.last_epoch,
                step=totals.step,
                steps=trainer.steps_per_epoch,
                running_training_loss=float(means["running_training_loss"]),  # type: ignore[arg-type]
                running_training_accuracy=float(means["running_training_accuracy"]),  # type: ignore[arg-type]
                learning_rate=trainer.rate(max(done_steps - 1, 0)),
                images_per_second=steps * trainer.recipe.batch_size / max(seconds, 1e-9),
                seconds_left=left * seconds / max(steps, 1),
                row=row,
            )
        )

    def _pace(self, totals: Totals, *, within_epoch: bool) -> tuple[int, float]:
        """Steps taken here and their seconds; before the first whole epoch without the first step, which is slow."""
        if not within_epoch:
            return self._here_steps, self._here_seconds
        now = time.perf_counter()
        if self._here_steps or self._warm is None:
            done = totals.step - self._first_step
            return self._here_steps + done, self._here_seconds + now - self._clock
        started, step = self._warm
        return totals.step - step, now - started

    def _record(self, row: history.Row) -> None:
        if self._board is not None:
            _add(self._board, row)

    def _interrupted(self) -> TrainingInterruptedError:
        trainer = self._trainer
        return TrainingInterruptedError(
            f"training must run to its end to be counted; got a stop request in epoch {len(trainer.rows) + 1} of "
            f"{trainer.last_epoch}. {self._keeper.what_is_kept()}; the same command goes on from there."
        )


def _board(folder: Path, rows: history.History) -> Any:
    """TensorBoard's writer in `folder`, for a training that has done `rows`.

    What a killed process recorded after its last checkpoint is hidden; rows of which the folder knows nothing are
    added.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UnavailableError(
            "tensorboard must be installed to write its files; it is not. pip install tensorboard."
        ) from error
    with disk_errors(folder):
        known = any(folder.glob("*tfevents*"))
        board = SummaryWriter(str(folder), purge_step=len(rows) + 1 if known else None)
        for row in () if known else rows:
            _add(board, row)
    return board


def _add(board: Any, row: history.Row) -> None:
    with disk_errors(Path(board.log_dir)):
        for name, value in row.items():
            if name != "epoch":
                board.add_scalar(name, value, int(row["epoch"]))
        board.flush()
