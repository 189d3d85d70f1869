"""The state of one training: what a step computes, what a checkpoint holds, and how both are put back."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from extract.runtime.allocator import memory_kept
from extract.runtime.devices import (
    channels_last,
    limited_threads,
    resolve_device,
    resolve_precision,
    torch_device,
)
from extract.runtime.machine import chosen_threads, thread_count
from finetune.architectures import airbench94, modes, networks
from finetune.augmentation.batches import Batches, LabeledImages, NormalizePixels, TrainingBatch
from finetune.augmentation.keyed_random import number, reseed
from finetune.recipes import Recipe
from finetune.training import averaging, distributed, engine, evaluate, history, loss
from finetune.training.config import TrainConfig
from finetune.training.gradients import sound_gradients
from finetune.training.optimizers import optimizer
from heads.neural import optimize
from heads.neural.optimize import Epoch, Step, Totals
from heads.neural.schedule import Schedule, schedule
from heads.rows import training_sample

KEPT = ("rows", "best", "seconds", "epoch_seconds", "validation_seconds")  # what a checkpoint holds as it is
WHITENING_EPOCHS = 3  # airbench: the bias of the whitening layer is trained for so long
WHITENING_PIXELS = airbench94.WHITENING_IMAGES * 32 * 32  # as many patches and bytes as of CIFAR's


class Trainer:
    """A network on its way through a recipe. `rows` is the history.

    `seconds` is what the updates have taken, `epoch_seconds` those of the epoch that is not over, `validation_seconds`
    the passes over validation images, in all processes. `begun` are the sums of a cut epoch, `best` the best weights.
    """

    def __init__(self, network: nn.Module, train: LabeledImages, *, recipe: Recipe, config: TrainConfig) -> None:
        self.device = torch_device(resolve_device(config.device))
        self.network = distributed.synchronized(channels_last(network, self.device), self.device)
        self.recipe, self.config = recipe, config
        self._train, self._resize = train.to(self.device), config.resize
        if self._resize is not None:
            self._resize.to(self.device)
        self.rows: history.History = []
        self.seconds = self.epoch_seconds = self.validation_seconds = 0.0
        self.best: dict[str, Tensor] = {}
        self.begun: Totals | None = None
        self.batches = Batches(
            self._train,
            recipe,
            normalization=config.normalization,
            seed=config.seed,
            resize=self._resize,
            rank=distributed.rank(),
            world_count=distributed.world_count(),
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.precision = resolve_precision(recipe.precision, str(self.device))
        self._class_weights = loss.weights_of(recipe, self._train.labels, config.class_names)
        images = len(train) * recipe.epochs
        self.engine = engine.choose(
            recipe.compile, self.network, image_count=images, image_size=self.batches.size, device=str(self.device)
        )
        self.optimizer = optimizer(self.network, recipe, precision=self.precision)
        self.trainable = [weight for weight in self.network.parameters() if weight.requires_grad]
        if recipe.batchnorm == "adapted":
            modes.adapt_batch_norm(self.network, steps_per_epoch=self.steps_per_epoch)
        self.averages: dict[str, averaging.Ema | averaging.Lookahead] = {}
        self._updates = 0  # done when the present process began, and since
        self._forward: Callable[[Tensor], Tensor] | None = None

    @property
    def _rows(self) -> int:
        return self.recipe.batch_size // self.recipe.accumulate

    def left_threads(self) -> int:
        """CPU threads that would help and are left to other processes, which were busy when the training began."""
        return engine.left_threads(self.network, rows=self._rows, image_size=self.batches.size, device=self.device)

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[None]:
        """Memory kept, gradients sound, threads limited; at the end the caller's threads and random state put back."""
        devices = [self.device] if self.device.type == "cuda" else []
        threads = engine.step_threads(self.network, rows=self._rows, image_size=self.batches.size, device=self.device)
        sound = sound_gradients(self.network, device=self.device, precision=self.precision)
        with memory_kept(), torch.random.fork_rng(devices=devices), sound, limited_threads(threads):
            yield

    def start(self) -> None:
        """Begins a training that no checkpoint goes on with."""
        if self.config.whiten and networks.whitening_bias(self.network) is not None:
            normalize = NormalizePixels(self.config.normalization).to(self.device)
            height, width = self.batches.size
            levels = self._train.images[: airbench94.WHITENING_IMAGES]
            if self._resize is not None:  # as the network sees them
                levels = self._resize(levels[: max(WHITENING_PIXELS // (height * width), 1)])
            networks.whiten(self.network, normalize(levels))
        self._start_averages()

    def _start_averages(self) -> None:
        """Begins EMA and lookahead at the present weights."""
        if self.recipe.ema:
            self.averages["ema"] = averaging.Ema(self.network, decay=self.recipe.ema)
        if self.recipe.lookahead:
            total = self.recipe.epochs * self.steps_per_epoch
            self.averages["lookahead"] = averaging.Lookahead(
                self.network, interval=self.recipe.lookahead, total_steps=total
            )

    def schedule(self) -> Schedule:
        """The factor on the learning rate by step; plateau goes by the history as well."""
        shape = "constant" if self.recipe.schedule == "plateau" else self.recipe.schedule
        total = self.recipe.epochs * self.steps_per_epoch
        factor = schedule(shape, total_steps=total, warmup=self.recipe.warmup)
        if self.recipe.schedule != "plateau":
            return factor
        followed = self.rows if self.config.followed is None else self.config.followed
        return lambda step: factor(step) * history.plateau_factor(followed[: len(self.rows)])

    @property
    def last_epoch(self) -> int:
        """The epoch after which the training ends, whatever its schedule still has."""
        return self.recipe.epochs if self.config.stop_epoch is None else self.config.stop_epoch

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or patience is out."""
        patience, criterion = self.recipe.patience, self.recipe.criterion
        return history.is_over(self.rows, epochs=self.last_epoch, patience=patience, criterion=criterion)

    def rate(self, step: int) -> float:
        """The learning rate of update number `step` (from 0) of the training, without multipliers."""
        return self.recipe.learning_rate * self.schedule()(step)

    def work_left(self, done_steps: int) -> float:
        """The updates after the first `done_steps`, those on small images counted by their size."""
        count = self.steps_per_epoch
        return sum(
            self.batches.work(epoch) * (count - max(done_steps - epoch * count, 0))
            for epoch in range(done_steps // count, self.last_epoch)
        )

    def epochs(self, *, stop: Callable[[Totals], bool]) -> Iterator[Epoch]:
        """The remaining epochs, one after another; an unfinished one last where `stop` said so."""
        self._updates = len(self.rows) * self.steps_per_epoch + (self.begun.step if self.begun else 0)
        yield from optimize.train(
            self.loss,
            self.epoch_batches,
            optimizer=self.optimizer,
            schedule=self.schedule(),
            epochs=self.recipe.epochs,
            steps_per_epoch=self.steps_per_epoch,
            first_epoch=len(self.rows),
            before_step=self.clip_gradients,
            after_step=self._average if self.averages else None,
            accumulate=self.recipe.accumulate,
            begun=self.begun,
            stop=stop,
        )

    def clip_gradients(self) -> None:
        """Bounds the norm of all gradients together, where the recipe does."""
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trainable, self.recipe.clip_norm)

    def loss(self, batch: TrainingBatch) -> Step:
        """The smoothed, blended cross-entropy of one batch; counts its plain loss and hits."""
        assert self._forward is not None
        key = (self.config.seed, "network", *batch.key, distributed.rank())
        reseed(self.device, number(key))  # for dropout and drop path
        with evaluate.autocast(self.device, self.precision):
            logits = self._forward(batch.inputs)
        log_probabilities = logits.float().log_softmax(1)
        plain, cost = loss.losses(
            log_probabilities, batch, smoothing=self.recipe.label_smoothing, class_weights=self._class_weights
        )
        likelier = batch.labels if batch.other_labels is None or batch.share >= 0.5 else batch.other_labels
        hits = (log_probabilities.detach().argmax(1) == likelier).sum()
        sums = {"running_training_loss": plain.detach().sum(), "running_training_accuracy": hits}
        return Step(loss=cost.mean() * batch.weight, sums=sums, row_count=len(batch.labels))

    def finish_epoch(self, scores: dict[str, float], validation: LabeledImages | None) -> history.Row:
        """The row of the epoch that is over, appended to the history; the weights are kept where they are the best.

        `scores` are its running means. The first process scores for all: on a CPU each has BatchNorm statistics of its
        own, and what they decide by the row (the rate, the end) they must decide alike, or they wait for one another
        for ever.
        """
        epoch = len(self.rows) + 1
        rate, seconds = self.rate(epoch * self.steps_per_epoch - 1), round(self.epoch_seconds, 3)
        row: history.Row = {"epoch": epoch, "learning_rate": rate, "seconds": seconds, **scores}
        self.begun, self.epoch_seconds = None, 0.0
        ema = self.averages.get("ema")
        with ema.shown() if ema is not None else contextlib.nullcontext():
            if distributed.rank() == 0:
                row |= self.scores(validation)
            row = distributed.from_first(row)
            self.rows.append(row)
            if self.recipe.patience is not None and history.best_epoch(self.rows, self.recipe.criterion) == epoch:
                self.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        return row

    def scores(self, validation: LabeledImages | None) -> dict[str, float]:
        """Losses and accuracies of the weights on a fixed sample of the training images, and on `validation`."""
        rows = torch.from_numpy(training_sample(len(self._train))).to(self.device)
        sampled = self._scores(LabeledImages(self._train.images[rows], self._train.labels[rows]), part="training")
        if validation is None:
            return sampled
        begun = time.perf_counter()
        scored = self._scores(validation, part="validation")
        self.validation_seconds += time.perf_counter() - begun
        return sampled | scored

    def _scores(self, images: LabeledImages, *, part: str) -> dict[str, float]:
        return evaluate.scores(
            self.network,
            images,
            part=part,
            criterion=self.recipe.criterion,
            class_weights=self._class_weights,
            normalization=self.config.normalization,
            batch_size=self._rows_at_once,
            resize=self._resize,
        )

    @functools.cached_property
    def _rows_at_once(self) -> int:
        part_rows = self.recipe.batch_size // (self.recipe.accumulate * distributed.world_count())
        return evaluate.rows_at_once(self.network, image_size=self.batches.size, part_rows=part_rows)

    def is_finite(self) -> bool:
        """Whether all weights and statistics are finite numbers."""
        values = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        return bool(torch.stack([value.isfinite().all() for value in values]).all())

    def state(self) -> dict[str, Any]:
        """Everything that going on later needs, as tensors and primitives."""
        begun = self.begun or Totals()
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averages": {name: average.values for name, average in self.averages.items()},
            "begun": {"step": begun.step, "row_count": begun.row_count, "sums": begun.sums},
            **{name: getattr(self, name) for name in KEPT},
            "threads": torch.get_num_threads(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Puts back what `state` gave in an earlier process; its tensors may be in memory or on the device."""
        self.network.load_state_dict(state["network"])
        groups = [(group["lr"], group["weight_decay"]) for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, (rate, decay) in zip(self.optimizer.param_groups, groups, strict=True):
            group["lr"], group["weight_decay"] = rate, decay  # a checkpoint inside an epoch holds scheduled ones
        self._start_averages()
        for name, average in self.averages.items():
            average.restore(state["averages"][name])
        for name in KEPT:
            setattr(self, name, state[name])
        if chosen_threads() is None:  # the last bits depend on their number
            torch.set_num_threads(min(state["threads"], thread_count()))
        begun = Totals(**state["begun"])
        begun.sums = {name: value.to(self.device) for name, value in begun.sums.items()}
        self.begun = begun if begun.step else None

    def finish(self) -> None:
        """Leaves the result in the network: the best weights under patience, else averaged or last ones."""
        if self.best:
            self.network.load_state_dict(self.best)
        elif "ema" in self.averages:
            self.averages["ema"].give_back()
        self.network.eval()

    def epoch_batches(self, epoch: int) -> Iterator[TrainingBatch]:
        """The batches of `epoch`, the network in the mode in which it meets them."""
        modes.train_mode(self.network, batch_norm=self.recipe.batchnorm)
        bias = networks.whitening_bias(self.network)
        if bias is not None and epoch >= WHITENING_EPOCHS:
            bias.requires_grad_(False)
            self._forward = self._forward if epoch > WHITENING_EPOCHS else None
        if self._forward is None:
            self._forward = engine.build(distributed.wrap(self.network), self.engine)
        return self.batches(epoch)

    def _average(self) -> None:
        self._updates += 1
        for one in self.averages.values():
            one.after_update(self._updates)
