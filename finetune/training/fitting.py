"""Fits one network by a recipe: every epoch judged, kept and told; resumed as if never stopped."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from extract.errors import InvalidInputError
from extract.runtime.devices import channels_last, resolve_device, resolve_precision, torch_device
from finetune.augmentation.batches import LabeledImages, Normalization
from finetune.recipes import Recipe
from finetune.training import distributed, engine, history
from finetune.training.checkpoint_manager import CheckpointManager
from finetune.training.evaluate import logits
from finetune.training.mail import lost_peers
from finetune.training.run import Moment, Run, TrainingInterruptedError
from finetune.training.trainer import How, Trainer, step_threads, surroundings

__all__ = ["Fitted", "LabeledImages", "Moment", "TrainingInterruptedError", "fit", "logits"]


@dataclass(frozen=True)
class Fitted:
    """A trained network, in evaluation mode on its device, and how it came about.

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
    network: nn.Module,
    train: LabeledImages,
    held: LabeledImages | None,
    *,
    recipe: Recipe,
    normalization: Normalization,
    seed: int = 0,
    device: str = "auto",
    checkpoint_folder: Path | None = None,
    spec_digest: str = "",
    class_names: tuple[str, ...] = (),
    resize: nn.Module | None = None,
    whiten: bool = True,
    followed: history.History | None = None,
    stop_epoch: int | None = None,
    tensorboard: Path | None = None,
    progress: Callable[[Moment], None] | None = None,
    notice: Callable[[str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Fitted:
    """`network`, trained on `train` by `recipe` and judged after every epoch on `held` (None: not judged).

    The same arguments give the same weights on one machine, also where a training was killed and goes on from
    `checkpoint_folder` (None keeps nothing): on a processor to the bit, on a GPU within rounding, where the fastest
    kernels add up in any order and slower ones are not asked for. Parameters that want no gradient, and the
    statistics of frozen modules, stay to the bit. `resize` turns augmented images into levels at the network's
    size; `whiten` says whether a layer that starts from training images is given them (not where weights were
    loaded). Under the schedule plateau the rate falls after the epochs after which it fell in `followed`, the
    history of an earlier training, where that is given. With `stop_epoch` the training ends after that epoch of the
    recipe's, whose schedule stays the whole one.

    Raises `TrainingInterruptedError` once `stop` says so, with the state kept; TransferBenchError for a loss that is
    not finite, with the last good checkpoint kept; InvalidInputError for a foreign checkpoint, a batch larger than
    `train`, or patience without a validation split.
    """
    place = torch_device(resolve_device(device))
    _check(recipe, held)
    network = distributed.synchronized(channels_last(network, place), place)
    resize = resize.to(place) if resize is not None else None
    train, held = train.to(place), held.to(place) if held is not None else None
    how = _how(network, train, recipe=recipe, normalization=normalization, seed=seed, resize=resize)
    how = replace(how, followed=followed, stop_epoch=stop_epoch)
    with surroundings(network, how), lost_peers():
        trainer = Trainer(network, train, recipe=recipe, how=how)
        keeper = CheckpointManager(trainer, checkpoint_folder, spec_digest=spec_digest, class_names=class_names)
        if not keeper.resume(notice):
            trainer.start(train if whiten else None)
        run = Run(trainer, held, keeper, progress=progress, stop=stop, tensorboard=tensorboard)
        run.to_the_end()
    return _fitted(trainer)


def _check(recipe: Recipe, held: LabeledImages | None) -> None:
    if recipe.patience is not None and held is None:
        raise InvalidInputError(
            f"patience must be left out without validation images to judge an epoch by; got {recipe.patience}. "
            "Give a validation split."
        )


def _how(
    network: nn.Module,
    train: LabeledImages,
    *,
    recipe: Recipe,
    normalization: Normalization,
    seed: int,
    resize: nn.Module | None,
) -> How:
    """How to compute, resolved for the device on which `train` lies."""
    device = train.images.device
    height, width = (resize(train.images[:1]) if resize is not None else train.images).shape[2:]
    precision = resolve_precision(recipe.precision, str(device))
    chosen = engine.choose(
        recipe.compile,
        network,
        image_count=len(train) * recipe.epochs,
        image_size=(height, width),
        device=str(device),
    )
    rows = recipe.batch_size // recipe.accumulate
    threads = step_threads(network, rows=rows, image_size=(height, width), device=device)
    return How(normalization, seed, device, precision, chosen, resize, threads=threads)


def _fitted(trainer: Trainer) -> Fitted:
    rows = trainer.rows
    images = len(rows) * trainer.steps_per_epoch * trainer.recipe.batch_size
    return Fitted(
        network=trainer.network,
        history=rows,
        epochs_run=len(rows),
        best_epoch=history.best_epoch(rows) if trainer.best else len(rows),
        train_seconds=trainer.seconds,
        images_per_second=images / max(trainer.seconds, 1e-9),
        precision=trainer.how.precision,
        engine=trainer.how.engine,
        validation_seconds=trainer.validation_seconds,
    )
