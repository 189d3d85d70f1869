"""One training from its data to its result: everything in memory, in the order of the protocol."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

import heads
from extract.data.bad_images import files, refused_together
from extract.data.datasets import FACTS
from extract.data.images import ImageSet
from extract.runtime.devices import Stopwatch
from finetune.analysis import lr_range_test
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe, doubts
from finetune.training.config import TrainConfig
from finetune.training.history import History
from finetune.training.loop import Fitted, fit
from pipelines.specs import NetworkKey
from pipelines.training import build, images, inference, pixels
from pipelines.training.head_init import Headed
from pipelines.training.inputs import Inputs
from pipelines.training.progress import Watch
from pipelines.training.results import Result
from pipelines.workspace.record import TrainingScore
from pipelines.workspace.signals import deferred

GUESSING_SHARE = 0.1  # of the way from guessing to certainty, up to which a network counts as guessing


def prepared(key: NetworkKey, inputs: Inputs) -> "Run":
    """The training of `key` with its images and its network in memory; what cannot be trained is refused here."""
    data, skipped = _data(key, inputs)
    recipe = Recipe(**{**key.recipe_options, **inputs.speed})
    train = images.check_training(
        data.splits["train"].labels,
        mode=key.mode,
        batch_size=recipe.batch_size,
        part=key.validation,
        seed=key.seed,
    )
    how = build.form(key, data, source=inputs.source)
    context = inputs.context
    context.doing("")  # weights that are downloaded come with a bar of the hub's own
    # What cannot be built is refused before anything is decoded.
    start = build.network(key, how, source=inputs.source, notice=context.notice)
    with refused_together(*files(data)):
        loaded = pixels.load(
            data, how.preprocessing, progress=lambda done, total: context.progress(done, total, "images decoded")
        )
    how = how.measured(pixels.take(loaded.splits["train"], train))
    if key.mode != "frozen":
        facts = FACTS.get(inputs.located.name)
        side = min(loaded.splits["train"].images.shape[2:])
        for doubt in doubts(recipe, side=side, mirrors=facts is None or facts.mirrors):
            context.notice(doubt)
    return Run(
        key,
        inputs,
        how=how,
        loaded=loaded,
        recipe=recipe,
        start=start,
        skipped=skipped,
        test_ids=data.splits["test"].ids,
    )


def _data(key: NetworkKey, inputs: Inputs) -> tuple[ImageSet, tuple[str, ...]]:
    inputs.context.doing("reading the data set")
    data, skipped = images.chosen(inputs.located, key)
    inputs.context.tell(images.notices(inputs.located, skipped))
    return data, skipped


class Run:
    """One key with everything in memory that its training needs."""

    def __init__(
        self,
        key: NetworkKey,
        inputs: Inputs,
        *,
        how: build.Form,
        loaded: pixels.Loaded,
        recipe: Recipe,
        start: nn.Module,
        skipped: tuple[str, ...],
        test_ids: tuple[str, ...],
    ) -> None:
        self.key, self.inputs, self.how, self.loaded, self.recipe = key, inputs, how, loaded, recipe
        self.start: nn.Module | None = start
        self.skipped, self.test_ids = skipped, test_ids
        self.headed: list[Headed] = []  # the heads that its trainings began with
        self.context = inputs.context
        self.checkpoints = inputs.checkpoints(key)

    def result(self) -> Result:
        """Trains, scores the validation split, trains again where asked, and scores the test split once."""
        every = self.loaded.splits["train"]
        rows, validation_rows = heads.validation_split(every.labels, self.key.validation, seed=self.key.seed)
        held = pixels.take(every, validation_rows) if len(validation_rows) else None
        chosen = self._trained(rows, held, phase="chosen")
        watch = Stopwatch(self.context.device)
        validation_split = None if held is None else self._logits(chosen.network, held)
        validation_seconds = 0.0 if held is None else watch.seconds()
        final = chosen
        if self.key.refit:
            final = self._trained(np.arange(len(every)), None, phase="refit", judged=chosen)
        training = self._training(rows, chosen, final)
        watch = Stopwatch(self.context.device)
        test = self.loaded.splits["test"]
        averaged = self.recipe.tta != "none"
        located = self.inputs.located
        return Result(
            dataset=located.name,
            notices=tuple(images.notices(located, self.skipped)),
            how=self.how,
            chosen=chosen,
            final=final,
            training=training,
            training_rows=len(every) if self.key.refit else len(rows),
            validation_split=None
            if held is None or validation_split is None
            else (validation_split, held.labels.numpy()),
            logits=self._logits(final.network, test),
            averaged=self._logits(final.network, test, tta=self.recipe.tta) if averaged else None,
            labels=test.labels.numpy(),
            ids=self.test_ids,
            skipped=self.skipped,
            headed=tuple(self.headed),
            reading_seconds=self.loaded.seconds["train"],
            validation_seconds=chosen.validation_seconds + validation_seconds,
            evaluation_seconds=self.loaded.seconds["test"] + watch.seconds(),
        )

    def _training(self, rows: np.ndarray, chosen: Fitted, final: Fitted) -> TrainingScore:
        """What the networks say of a sample of the images `rows`, from which both learned."""
        sample = pixels.take(self.loaded.splits["train"], rows[heads.training_sample(len(rows))])
        truth = sample.labels.numpy()
        judged = float((self._logits(chosen.network, sample).argmax(1) == truth).mean())
        if final is chosen:
            return TrainingScore(rows=len(sample), accuracy=judged, kept_accuracy=judged)
        kept = float((self._logits(final.network, sample).argmax(1) == truth).mean())
        return TrainingScore(rows=len(sample), accuracy=judged, kept_accuracy=kept)

    def _trained(
        self, rows: np.ndarray, held: LabeledImages | None, *, phase: str, judged: Fitted | None = None
    ) -> Fitted:
        """The network trained on `rows`: by the recipe, or as `judged` was, up to the epoch that it was best after."""
        key, context, recipe = self.key, self.context, self.recipe
        if judged is not None:
            recipe = replace(recipe, patience=None)
        stop_epoch = recipe.epochs if judged is None else max(judged.best_epoch, 1)
        start, train = self._begin(rows)
        if key.mode == "frozen":
            return Fitted(start, [], 0, 0, 0.0, 0.0, recipe.precision, "eager")
        context.doing("first training step")
        with deferred() as stop:
            fitted = fit(
                start,
                train,
                held,
                recipe=recipe,
                config=TrainConfig(
                    normalization=(self.how.preprocessing.mean, self.how.preprocessing.std),
                    seed=key.seed,
                    device=context.device,
                    checkpoint_folder=self.checkpoints / phase,
                    spec_digest=f"{key.digest()} {phase} {stop_epoch}",
                    class_names=self.how.class_names,
                    resize=self.loaded.resize,
                    whiten=key.weights == "none",
                    followed=None if judged is None else judged.history,
                    stop_epoch=stop_epoch,
                    tensorboard=self._board(phase),
                    progress=Watch(context, images=len(train)).moment,
                    notice=context.notice,
                    stop=stop,
                ),
            )
        if key.mode == "head-first" and _has_lost_its_head(fitted.history, len(self.how.class_names)):
            context.notice(
                "the first epoch lost what the fitted head knew: the network is no better than guessing. "
                "Lower --learning-rate, or bound the gradients with --clip-norm 1"
            )
        return fitted

    def _board(self, phase: str) -> Path | None:
        """Where TensorBoard's files of a phase go: two trainings in one folder would be one curve that goes back."""
        place = self.inputs.tensorboard
        return place / phase if place is not None and self.key.refit else place

    def range_test(self) -> lr_range_test.RangeTest:
        """The losses of this training at rising learning rates, without the validation split."""
        rows, _ = heads.validation_split(self.loaded.splits["train"].labels, self.key.validation, seed=self.key.seed)
        start, train = self._begin(rows)
        return lr_range_test.find_learning_rate(
            start,
            train,
            recipe=self.recipe,
            config=TrainConfig(
                normalization=(self.how.preprocessing.mean, self.how.preprocessing.std),
                seed=self.key.seed,
                device=self.context.device,
                resize=self.loaded.resize,
                whiten=self.key.weights == "none",
            ),
            progress=lambda done, total: self.context.progress(done, total, "learning rates"),
        )

    def _begin(self, rows: np.ndarray) -> tuple[nn.Module, LabeledImages]:
        """The network before training, and the training images `rows`."""
        start = self.start or build.network(self.key, self.how, source=self.inputs.source)
        self.start = None  # it is trained in place: whoever begins again has it built again
        train = pixels.take(self.loaded.splits["train"], rows)
        if self.key.mode in ("head-first", "frozen"):
            self.headed.append(self._head(start, train, rows=rows))
            build.install(start, self.headed[-1].head)
        return start, train

    def _head(self, start: nn.Module, train: LabeledImages, *, rows: np.ndarray) -> Headed:
        return self.inputs.heading.head(
            self.key,
            rows if self.key.validation is not None else None,
            labels=train.labels.numpy(),
            embeddings=lambda: build.embeddings(
                start,
                train,
                how=self.how,
                resize=self.loaded.resize,
                device=self.context.device,
                recipe_options=self.key.recipe_options,
                stepped=self.context.counter(len(train), "features computed"),
            ),
            extracted=self.how.image_size if build.extracted(self.key) else None,
        )

    def _logits(self, network: nn.Module, images: LabeledImages, *, tta: str = "none") -> np.ndarray:
        wanted, device = self.how.preprocessing, self.context.device
        options = self.key.recipe_options
        rows = inference.batch_size(network, wanted, device=device, recipe_options=options)
        return inference.logits(
            network,
            images.images.split(rows),
            rows=rows,
            preprocessing=wanted,
            device=device,
            resize=self.loaded.resize,
            tta=tta,
            stepped=self.context.counter(len(images), "images scored"),
        )


def _has_lost_its_head(rows: History, class_count: int) -> bool:
    """Whether a training that began with a fitted head was hardly better than guessing after its first epoch.

    Validation images say so where there are some, else training images that are not augmented.
    """
    if not rows:
        return False
    accuracy = rows[0].get("validation_accuracy", rows[0]["training_accuracy"])
    guessing = 1 / class_count
    return accuracy < guessing + GUESSING_SHARE * (1 - guessing)
