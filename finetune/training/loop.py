"""The training loop of networks: fit one network by a recipe, with checkpoints, early stopping and progress.

`fit` is the call. `finetune.training.trainer.Trainer` holds the state and computes a step; the passes over batches are
`heads.neural.optimize.train`, which heads share.
"""

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from extract.errors import InvalidInputError, TransferBenchError, UnavailableError
from extract.runtime.disk import disk_errors
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training import distributed, history
from finetune.training.checkpoint import CheckpointManager
from finetune.training.config import TrainConfig, TrainingProgress
from finetune.training.mail import lost_peers
from finetune.training.trainer import Trainer
from heads.neural.optimize import Epoch, Totals

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOOK_SECONDS = {"cpu": 1.0, "cuda": 10.0}  # between looks at the losses inside an epoch, for which the device waits
KEEP_SECONDS = 300.0  # of a long epoch, after which it is kept as far as it is: a killed training loses no more


class TrainingInterruptedError(TransferBenchError):
    """A training that was stopped; its checkpoint lets the same command go on."""


@dataclass(frozen=True)
class Fitted:
    """A trained network, in evaluation mode on its device, with the history of its training.

    `history` has a row for each of `epochs_run` epochs; `best_epoch` is the one whose weights the network has
    (the best under patience, else the last). `train_seconds` are those of the updates, by which `images_per_second`
    goes, and `validation_seconds` those of the validation after each epoch, both summed over interruptions. `engine` is
    eager or compiled.
    """

    network: nn.Module
    history: history.History
    epochs_run: int
    best_epoch: int
    train_seconds: float
    images_per_second: float
    precision: str
    engine: str
    validation_seconds: float = 0.0

    @property
    def curves(self) -> dict[str, list[float]]:
        """The history as one list a quantity."""
        return history.curves(self.history)


def fit(
    network: nn.Module, train: LabeledImages, validation: LabeledImages | None, *, recipe: Recipe, config: TrainConfig
) -> Fitted:
    """Train `network` on `train` by `recipe`, and score it after every epoch on `validation` (None: not scored).

    The same arguments give the same weights on one machine, also where a training was killed and goes on from its
    checkpoint: on a processor to the bit, on a GPU within rounding, where the fastest kernels add up in any order and
    slower ones are not used. Parameters that want no gradient, and the statistics of frozen modules, stay to the
    bit.

    Raises `TrainingInterruptedError` once `config.stop` says so, with the state kept; TransferBenchError for a loss
    that is not finite, with the last good checkpoint kept; InvalidInputError for a foreign checkpoint, a batch larger
    than `train`, or patience without a validation split.
    """
    if recipe.patience is not None and validation is None:
        raise InvalidInputError(
            f"patience must be left out without validation images to score an epoch by; got {recipe.patience}. "
            "Give a validation split."
        )
    trainer = Trainer(network, train, recipe=recipe, config=config)
    checkpoints = CheckpointManager(trainer)
    with trainer.surroundings(), lost_peers():
        if not checkpoints.resume():
            trainer.start()
        _Loop(trainer, validation.to(trainer.device) if validation is not None else None, checkpoints).run()
    images = len(trainer.rows) * trainer.steps_per_epoch * recipe.batch_size
    return Fitted(
        network=trainer.network,
        history=trainer.rows,
        epochs_run=len(trainer.rows),
        best_epoch=history.best_epoch(trainer.rows, recipe.criterion) if trainer.best else len(trainer.rows),
        train_seconds=trainer.seconds,
        images_per_second=images / max(trainer.seconds, 1e-9),
        precision=trainer.precision,
        engine=trainer.engine,
        validation_seconds=trainer.validation_seconds,
    )


class _Loop:
    """Drives a trainer through what is left of its epochs, and keeps and reports each."""

    def __init__(self, trainer: Trainer, validation: LabeledImages | None, checkpoints: CheckpointManager) -> None:
        self._trainer, self._validation, self._checkpoints = trainer, validation, checkpoints
        self._config, folder = trainer.config, trainer.config.tensorboard
        self._board = _board(folder, trainer.rows) if folder is not None and distributed.rank() == 0 else None
        self._clock = self._looked = time.perf_counter()
        self._done_seconds, self._done_steps, self._done_work = 0.0, 0, 0.0  # of epochs in this process
        self._first_step = trainer.begun.step if trainer.begun else 0
        self._warm: tuple[float, int] | None = None  # when the first step here was over, and its number

    def run(self) -> None:
        """Runs the epochs, and leaves the result in the network."""
        trainer = self._trainer
        with contextlib.closing(self._board) if self._board is not None else contextlib.nullcontext():
            for epoch in () if trainer.is_over else trainer.epochs(stop=self._after_step):
                self._finish(epoch)
                if trainer.is_over:
                    break
                if distributed.any_says(self._config.stop(), trainer.device):
                    raise self._interrupted()
        trainer.finish()

    def _finish(self, epoch: Epoch) -> None:
        """Scores, records, keeps and reports one epoch; one that was cut short is only kept."""
        trainer = self._trainer
        if not epoch.complete:
            self._keep_begun(epoch.totals)
            raise self._interrupted()
        self._count_seconds()
        steps = epoch.totals.step - self._first_step
        self._done_steps += steps
        self._done_work += steps * trainer.batches.work(len(trainer.rows))
        self._first_step = 0
        scores = _means(distributed.add_up(epoch.totals))
        self._check(scores, weights=True)
        row = trainer.finish_epoch(scores, self._validation)
        if self._board is not None:
            _add(self._board, row)  # before the checkpoint: killed in between, the epoch is done and recorded again
        self._checkpoints.keep()
        self._report(epoch.totals, row)
        self._clock = time.perf_counter()

    def _keep_begun(self, totals: Totals) -> None:
        """Keeps an epoch as far as it is."""
        self._count_seconds()
        self._check(_means(totals), weights=True)
        self._trainer.begun = totals
        self._checkpoints.keep()
        self._clock = time.perf_counter()

    def _count_seconds(self) -> None:
        """Adds those since the clock was set, by which steps were taken."""
        seconds = time.perf_counter() - self._clock
        self._trainer.seconds += seconds
        self._trainer.epoch_seconds += seconds
        self._done_seconds += seconds

    def _after_step(self, totals: Totals) -> bool:
        """Looks at the losses and keeps the epoch now and then; whether to stop here.

        Several processes end, and keep, only between epochs.
        """
        now = time.perf_counter()
        if self._warm is None:
            self._warm, self._looked = (now, totals.step), now
        if now - self._looked > LOOK_SECONDS[self._trainer.device.type]:
            self._looked = now
            if distributed.world_count() == 1:  # each looks at another moment, and must not leave the others alone
                self._check(_means(totals), weights=False)
            self._report(totals, None)
        if distributed.world_count() > 1:
            return False
        if now - self._clock > KEEP_SECONDS:
            self._keep_begun(totals)
        return self._config.stop()

    def _check(self, scores: Mapping[str, float], *, weights: bool) -> None:
        """Raises where the mean loss, or with `weights` any weight, is no finite number in any of the processes."""
        loss, trainer = scores["running_training_loss"], self._trainer
        lost = not math.isfinite(loss) or (weights and not trainer.is_finite())
        if distributed.any_says(lost, trainer.device):
            raise TransferBenchError(
                f"training must keep a finite loss and weights; got a loss of {loss} in epoch "
                f"{len(trainer.rows) + 1}. {self._checkpoints.kept()}; "
                f"lower the learning rate ({trainer.recipe.learning_rate}), warm up longer or set a clip norm."
            )

    def _report(self, totals: Totals, row: history.Row | None) -> None:
        """Progress inside an epoch, or with its `row` at its end."""
        if distributed.rank():
            return
        trainer, scores = self._trainer, _means(totals)
        steps, work, seconds = self._pace(totals, within_epoch=row is None)
        done_steps = len(trainer.rows) * trainer.steps_per_epoch + (0 if row is not None else totals.step)
        self._config.progress(
            TrainingProgress(
                epoch=len(trainer.rows) + (row is None),
                epochs=trainer.last_epoch,
                step=totals.step,
                steps=trainer.steps_per_epoch,
                running_training_loss=scores["running_training_loss"],
                running_training_accuracy=scores["running_training_accuracy"],
                learning_rate=trainer.rate(max(done_steps - 1, 0)),
                images_per_second=steps * trainer.recipe.batch_size / max(seconds, 1e-9),
                seconds_left=trainer.work_left(done_steps) * seconds / max(work, 1e-9),
                row=row,
                left_threads=trainer.left_threads(),
            )
        )

    def _pace(self, totals: Totals, *, within_epoch: bool) -> tuple[int, float, float]:
        """Steps taken here, those on small images also by their size, and their seconds.

        Before the first complete epoch without the first step, which is slow.
        """
        if not within_epoch:
            return self._done_steps, self._done_work, self._done_seconds
        now, size = time.perf_counter(), self._trainer.batches.work(len(self._trainer.rows))
        if self._done_steps or self._warm is None:
            done = totals.step - self._first_step
            return self._done_steps + done, self._done_work + done * size, self._done_seconds + now - self._clock
        started, step = self._warm
        return totals.step - step, (totals.step - step) * size, now - started

    def _interrupted(self) -> TrainingInterruptedError:
        trainer = self._trainer
        return TrainingInterruptedError(
            f"training must run to its end to be counted; got a stop request in epoch {len(trainer.rows) + 1} of "
            f"{trainer.last_epoch}. {self._checkpoints.kept()}; the same command goes on from there."
        )


def _means(totals: Totals) -> dict[str, float]:
    return {name: float(value) for name, value in totals.means().items()}  # type: ignore[arg-type]


def _board(folder: Path, rows: Sequence[Mapping[str, float]]) -> "SummaryWriter":
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


def _add(board: "SummaryWriter", row: Mapping[str, float]) -> None:
    with disk_errors(Path(board.log_dir)):
        for name, value in row.items():
            if name != "epoch":
                board.add_scalar(name, value, int(row["epoch"]))
        board.flush()
