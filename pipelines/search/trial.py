"""One trial of a network: trained as the train stage does, judged on the validation split. No test images."""

from dataclasses import dataclass

import numpy as np
from torch import nn

import heads
from extract.data import datasets
from extract.data.bad_images import files, refused_together
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training import checkpoint, history
from finetune.training.config import TrainConfig, TrainingProgress
from finetune.training.loop import TrainingInterruptedError, fit
from pipelines.search.subject import Outcome, Watch
from pipelines.specs import NetworkKey, NetworkSpec
from pipelines.tasks import stages
from pipelines.training import build, images, inference, pixels, progress
from pipelines.training.inputs import Inputs
from pipelines.workspace.context import Context
from pipelines.workspace.signals import deferred


@dataclass(frozen=True)
class _Prepared:
    """A key with all that its training needs in memory: images that learn, images that judge, the network's form."""

    key: NetworkKey
    inputs: Inputs
    how: build.Form
    train: LabeledImages
    train_rows: np.ndarray
    held: LabeledImages
    resize: nn.Module | None

    @property
    def recipe(self) -> Recipe:
        return Recipe(**{**self.key.recipe_options, **self.inputs.speed})


class Training:
    """Trainings on the training split of one data set, which is read once. `spec` says which part of it."""

    def __init__(self, located: datasets.Located, spec: NetworkSpec) -> None:
        self._images, _ = images.chosen(located, spec, splits=("train",))
        self._loaded: dict[object, pixels.Loaded] = {}

    @property
    def row_count(self) -> int:
        """Images of the training split."""
        return len(self._images.splits["train"])

    def check(self, spec: NetworkSpec, *, batch_size: int) -> None:
        """InvalidInputError where there are too few images for a batch, or for the validation split of `spec`."""
        images.check_training(
            self._images.splits["train"].labels,
            mode=spec.mode,
            batch_size=batch_size,
            part=spec.validation_part(),
            seed=spec.seed,
        )

    def outcome(self, spec: NetworkSpec, watch: Watch, context: Context) -> Outcome | None:
        """What the network of `spec` is worth on the validation images; None where the watch stopped it.

        Its checkpoint is kept in the watch's folder, from which an interrupted trial goes on.
        """
        ready = self._prepared(spec, context)
        try:
            network = _trained(ready, watch, context)
        except TrainingInterruptedError:
            if watch.stop():
                return None
            raise
        wanted, options = ready.how.preprocessing, ready.key.recipe_options
        rows = inference.batch_size(network, wanted, device=context.device, recipe_options=options)
        logits = inference.logits(
            network,
            ready.held.images.split(rows),
            rows=rows,
            preprocessing=wanted,
            device=context.device,
            resize=ready.resize,
            stepped=context.counter(len(ready.held), "images scored"),
        )
        scores = heads.scores(logits, ready.held.labels.numpy())
        return Outcome(scores.accuracy, scores.log_loss)

    def _prepared(self, spec: NetworkSpec, context: Context) -> _Prepared:
        key, inputs = stages.network_inputs(spec, context)
        how = build.form(key, self._images, source=inputs.source)
        loaded = self._pixels(how, context)
        every = loaded.splits["train"]
        rows, validation_rows = heads.validation_split(every.labels, key.validation, seed=key.seed)
        train = pixels.take(every, rows)
        return _Prepared(
            key=key,
            inputs=inputs,
            how=how.measured(train),
            train=train,
            train_rows=rows,
            held=pixels.take(every, validation_rows),
            resize=loaded.resize,
        )

    def _pixels(self, how: build.Form, context: Context) -> pixels.Loaded:
        """The images at the network's size, decoded once for all trials of that size."""
        wanted = how.preprocessing
        size = (wanted.image_size, wanted.interpolation, wanted.crop_fraction, wanted.crop_mode)
        if size not in self._loaded:
            with refused_together(*files(self._images)):
                self._loaded = {
                    size: pixels.load(
                        self._images,
                        wanted,
                        progress=lambda done, total: context.progress(done, total, "images decoded"),
                    )
                }
        return self._loaded[size]


def _trained(ready: _Prepared, watch: Watch, context: Context) -> nn.Module:
    start = build.network(ready.key, ready.how, source=ready.inputs.source)
    if ready.key.mode == "head-first":
        _install_head(start, ready, context)
    seen = progress.Watch(context, images=len(ready.train))

    def moment(now: TrainingProgress) -> None:
        seen.moment(now)
        if now.row is not None:
            _report([now.row], watch)

    digest = f"{ready.key.digest()} chosen {ready.recipe.epochs}"  # the stage's, which goes on from here
    names = ready.how.class_names
    kept = checkpoint.load(watch.folder, spec_digest=digest, class_names=names)
    if kept is not None:
        _report(kept["rows"], watch)  # its process may have been killed before it reported them
    context.doing("first training step")
    with deferred() as asked:
        fitted = fit(
            start,
            ready.train,
            ready.held,
            recipe=ready.recipe,
            config=TrainConfig(
                normalization=(ready.how.preprocessing.mean, ready.how.preprocessing.std),
                seed=ready.key.seed,
                device=context.device,
                checkpoint_folder=watch.folder,
                spec_digest=digest,
                class_names=names,
                resize=ready.resize,
                whiten=ready.key.weights == "none",
                progress=moment,
                notice=context.notice,
                stop=lambda: asked() or watch.stop(),
            ),
        )
    _report(fitted.history, watch)
    return fitted.network


def _report(rows: history.History, watch: Watch) -> None:
    for row in rows:
        watch.report(int(row["epoch"]), row["validation_accuracy"])


def _install_head(start: nn.Module, ready: _Prepared, context: Context) -> None:
    """The logistic head with which the train stage would begin, fitted on the images that learn."""
    headed = ready.inputs.heading.head(
        ready.key,
        ready.train_rows,
        labels=ready.train.labels.numpy(),
        embeddings=lambda: build.embeddings(
            start,
            ready.train,
            how=ready.how,
            resize=ready.resize,
            device=context.device,
            recipe_options=ready.key.recipe_options,
            stepped=context.counter(len(ready.train), "features computed"),
        ),
        extracted=ready.how.image_size if build.extracted(ready.key) else None,
    )
    build.install(start, headed.head)
