"""The settings of one training beside its recipe, and the progress that it reports."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from finetune.augmentation.batches import Normalization
from finetune.training.history import History, Row


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a training: `step` of `steps` in `epoch` (from 1) of `epochs`; the epoch's running means.

    `row` is the epoch's line of the history once it is over, None before. `left_threads` are CPU threads that would
    help and are left to other processes, which were busy when the training began.
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
    row: Row | None
    left_threads: int = 0


@dataclass(frozen=True)
class TrainConfig:
    """The settings of one training beside its network, images and recipe.

    `resize` turns augmented images into levels at the network's size. `whiten` says whether a layer that starts from
    training images is given them (not where weights were loaded). Under the schedule plateau the rate falls after the
    epochs after which it fell in `followed`, the history of an earlier training. `stop_epoch` is the epoch of the
    recipe's, whose schedule stays, after which to end; None for the last. The checkpoint in `checkpoint_folder` (None
    keeps none) is of the named spec and classes. `progress` hears of every epoch, and now and then inside one;
    `stop()` says whether to end now.
    """

    normalization: Normalization
    seed: int = 0
    device: str = "auto"
    resize: nn.Module | None = None
    whiten: bool = True
    followed: History | None = None
    stop_epoch: int | None = None
    checkpoint_folder: Path | None = None
    spec_digest: str = ""
    class_names: tuple[str, ...] = ()
    tensorboard: Path | None = None
    progress: Callable[[TrainingProgress], None] = lambda progress: None
    notice: Callable[[str], None] = lambda sentence: None
    stop: Callable[[], bool] = lambda: False
