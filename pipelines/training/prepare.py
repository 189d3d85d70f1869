"""One training: everything prepared in memory, one call that fits, and the protocol up to the test scores."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import nn

import heads
from extract.data.datasets import FACTS
from extract.runtime.devices import Stopwatch
from finetune.architectures import modes, networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import MODES_WITH_HEAD, Recipe, doubts
from finetune.training.config import TrainConfig, TrainingProgress
from finetune.training.history import History
from finetune.training.loop import Fitted, fit
from pipelines.specs import NetworkKey
from pipelines.training import images, inference, network, pixels
from pipelines.training.head_init import HeadInit
from pipelines.training.progress import ProgressReporter
from pipelines.training.train_network import TrainingInputs
from pipelines.workspace.context import Context
from pipelines.workspace.schema import TrainingScore
from pipelines.workspace.signals import deferred

GUESSING_SHARE = 0.1  # of the way from guessing to certainty, up to which a network counts as guessing


@dataclass
class PreparedTraining:
    """A key with everything in memory that its training needs.

    `rows` and `validation_rows` are those of the training split. `begun` are the heads that its trainings began with.
    """

    key: NetworkKey
    inputs: TrainingInputs
    config: network.NetworkConfig
    recipe: Recipe
    data: pixels.TrainingData
    loaded: pixels.Loaded
    rows: np.ndarray
    validation_rows: np.ndarray
    _network: nn.Module | None
    begun: list[HeadInit] = field(default_factory=list)

    @property
    def context(self) -> Context:
        """Context of the run: workspace, device, progress."""
        return self.inputs.context

    @property
    def validation(self) -> LabeledImages | None:
        """The validation split, where there is one."""
        every = self.loaded.splits["train"]
        return pixels.take(every, self.validation_rows) if len(self.validation_rows) else None

    @property
    def train_config(self) -> TrainConfig:
        """The settings of every training of this key."""
        return TrainConfig(
            normalization=(self.config.preprocessing.mean, self.config.preprocessing.std),
            seed=self.key.seed,
            device=self.context.device,
            resize=self.loaded.resize,
            whiten=self.key.weights == "none",
            class_names=self.config.class_names,
            notice=self.context.notice,
        )

    def spec_digest(self, phase: str, *, stop_epoch: int) -> str:
        """Digest that names the checkpoints of a phase: one that a trial leaves is that of its winner's training."""
        return f"{self.key.digest()} {phase} {stop_epoch}"

    def fit(
        self,
        rows: np.ndarray,
        validation: LabeledImages | None,
        *,
        folder: Path,
        phase: str = "chosen",
        earlier: Fitted | None = None,
        tensorboard: Path | None = None,
        progress: Callable[[TrainingProgress], None] = lambda progress: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Fitted:
        """The network trained on `rows` by the recipe; or as `earlier` was, up to the epoch of which it is.

        Its checkpoint is kept in `folder`. `progress` hears beside the context, `stop` ends beside a signal.
        """
        recipe = self.recipe if earlier is None else replace(self.recipe, patience=None)
        stop_epoch = recipe.epochs if earlier is None else max(earlier.best_epoch, 1)
        start, train = self.begin(rows)
        if self.key.mode == "frozen":
            return Fitted(start, [], 0, 0, 0.0, 0.0, recipe.precision, "eager")
        reporter = ProgressReporter(self.context, images=len(train))

        def report(now: TrainingProgress) -> None:
            reporter.report(now)
            progress(now)

        self.context.doing("first training step")
        with deferred() as is_signalled:
            config = replace(
                self.train_config,
                checkpoint_folder=folder,
                spec_digest=self.spec_digest(phase, stop_epoch=stop_epoch),
                followed=None if earlier is None else earlier.history,
                stop_epoch=stop_epoch,
                tensorboard=tensorboard,
                progress=report,
                stop=lambda: is_signalled() or stop(),
            )
            return fit(start, train, validation, recipe=recipe, config=config)

    def begin(self, rows: np.ndarray) -> tuple[nn.Module, LabeledImages]:
        """The network before training, its last layer a fitted head in modes that begin so; the images of `rows`."""
        start = self._network or network.build(self.key, self.config, source=self.inputs.source)
        self._network = None  # it is trained in place: whoever begins again has it built again
        train = pixels.take(self.loaded.splits["train"], rows)
        if self.key.mode in MODES_WITH_HEAD:
            precision = self.key.recipe_options["precision"]
            self.begun.append(
                self.inputs.head_initializer.head(
                    self.key,
                    rows if self.key.validation is not None else None,
                    split=self.data.images.splits["train"].take(rows),
                    embeddings=lambda: self.logits(
                        networks.embedding(start), train, precision=precision, what="features computed"
                    ),
                    extracted=self.config.image_size if network.is_extracted(self.key) else None,
                )
            )
            head = self.begun[-1].head
            modes.install_head(
                start, weights=head.weights_, bias=head.bias_, classes=[int(one) for one in head.classes_]
            )
        return start, train

    def logits(
        self,
        network: nn.Module,
        images: LabeledImages,
        *,
        what: str = "images scored",
        tta: str = "none",
        precision: str = "float32",
    ) -> np.ndarray:
        """float32 [N, K] of a network on images of this training (see `inference.logits`)."""
        preprocessing, device = self.config.preprocessing, self.context.device
        recipe_options = self.key.recipe_options
        rows = inference.batch_size(network, preprocessing, device=device, recipe_options=recipe_options)
        return inference.logits(
            network,
            images.images.split(rows),
            rows=rows,
            preprocessing=preprocessing,
            device=device,
            resize=self.loaded.resize,
            stepped=self.context.counter(len(images), what),
            tta=tta,
            precision=precision,
        )


def prepare(
    key: NetworkKey,
    inputs: TrainingInputs,
    *,
    data: pixels.TrainingData | None = None,
    quiet: bool = False,
) -> PreparedTraining:
    """The training of `key` with its images and its network in memory; what cannot be trained is refused here.

    `data` are its images where they have been read before. Of the network, and of doubtful augmentation, nothing is
    said where it is `quiet`.
    """
    context = inputs.context
    notice = (lambda sentence: None) if quiet else context.notice
    if data is None:
        context.doing("reading the data set")
        data = pixels.TrainingData(inputs.located, key)
        context.tell(images.notices(inputs.located, data.skipped))
    recipe = Recipe(**{**key.recipe_options, **inputs.speed})
    rows, validation_rows = images.check_training(
        data.images.splits["train"],
        mode=key.mode,
        batch_size=recipe.batch_size,
        part=key.validation,
        seed=key.seed,
    )
    config = network.configure(key, data.images, source=inputs.source)
    context.doing("")  # weights that are downloaded come with a bar of the hub's own
    # What cannot be built is refused before anything is decoded.
    start = network.build(key, config, source=inputs.source, notice=notice)
    loaded = data.load(
        config.preprocessing, progress=lambda done, total: context.progress(done, total, "images decoded")
    )
    every = loaded.splits["train"]
    config = config.measured(pixels.take(every, rows))
    if key.mode != "frozen" and not quiet:
        facts = FACTS.get(inputs.located.name)
        for doubt in doubts(recipe, side=min(every.images.shape[2:]), mirrors=facts is None or facts.mirrors):
            notice(doubt)
    return PreparedTraining(key, inputs, config, recipe, data, loaded, rows, validation_rows, start)


@dataclass(frozen=True)
class TrainingResult:
    """A network and its scores. `chosen` was trained without the validation split, `final` is what is kept.

    `validation` are (logits, labels) of the validation images by `chosen`, None without. `logits` float32 [N, K] and
    `labels` int64 [N] are the test split's in file order, `averaged` its logits over several views.
    `validation_seconds` are those of all scores of `chosen` on validation images, `evaluation_seconds` the test
    split's, read and scored.
    """

    chosen: Fitted
    final: Fitted
    training: TrainingScore
    training_rows: int
    validation: tuple[np.ndarray, np.ndarray] | None
    logits: np.ndarray
    averaged: np.ndarray | None
    labels: np.ndarray
    validation_seconds: float
    evaluation_seconds: float


def run(ready: PreparedTraining) -> TrainingResult:
    """Train, score the validation split, train again where `refit` is set, and score the test split once."""
    key, inputs, every = ready.key, ready.inputs, ready.loaded.splits["train"]
    checkpoints, validation = inputs.checkpoints(key), ready.validation
    board = inputs.tensorboard
    boards = {phase: board / phase if board and key.refit else board for phase in ("chosen", "refit")}
    chosen = ready.fit(ready.rows, validation, folder=checkpoints / "chosen", tensorboard=boards["chosen"])
    _notice_a_lost_head(ready, chosen.history)
    watch = Stopwatch(ready.context.device)
    scored = None if validation is None else (ready.logits(chosen.network, validation), validation.labels.numpy())
    validation_seconds = chosen.validation_seconds + (0.0 if validation is None else watch.seconds())
    final = chosen
    if key.refit:
        everything, folder = np.arange(len(every)), checkpoints / "refit"
        final = ready.fit(everything, None, folder=folder, phase="refit", earlier=chosen, tensorboard=boards["refit"])
        _notice_a_lost_head(ready, final.history)
    training = _training_score(ready, chosen, final)
    watch, test = Stopwatch(ready.context.device), ready.loaded.splits["test"]
    tta = ready.recipe.tta
    return TrainingResult(
        chosen=chosen,
        final=final,
        training=training,
        training_rows=len(every) if key.refit else len(ready.rows),
        validation=scored,
        logits=ready.logits(final.network, test),
        averaged=None if tta == "none" else ready.logits(final.network, test, tta=tta),
        labels=test.labels.numpy(),
        validation_seconds=validation_seconds,
        evaluation_seconds=ready.loaded.seconds["test"] + watch.seconds(),
    )


def _training_score(ready: PreparedTraining, chosen: Fitted, final: Fitted) -> TrainingScore:
    """The accuracy of both networks on a sample of the training images from which both learned."""
    sample = pixels.take(ready.loaded.splits["train"], ready.rows[heads.training_sample(len(ready.rows))])
    truth = sample.labels.numpy()
    scored = float((ready.logits(chosen.network, sample).argmax(1) == truth).mean())
    kept = scored if final is chosen else float((ready.logits(final.network, sample).argmax(1) == truth).mean())
    return TrainingScore(rows=len(sample), accuracy=scored, kept_accuracy=kept)


def _notice_a_lost_head(ready: PreparedTraining, history: History) -> None:
    """Notices where a training that began with a fitted head was hardly better than guessing after its first epoch.

    Validation images say so where there are some, else training images that are not augmented.
    """
    if ready.key.mode != "head-first" or not history:
        return
    accuracy = history[0].get("validation_accuracy", history[0]["training_accuracy"])
    guessing = 1 / len(ready.config.class_names)
    if accuracy < guessing + GUESSING_SHARE * (1 - guessing):
        ready.context.notice(
            "the first epoch lost what the fitted head knew: the network is no better than guessing. "
            "Lower --learning-rate, or bound the gradients with --clip-norm 1"
        )
