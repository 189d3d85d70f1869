"""One training as an object: what a step computes, what a checkpoint holds, and how both are put back."""

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from extract.backbones.cost import cost
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import limited_threads, threads_for
from extract.runtime.machine import thread_count
from finetune.architectures import modes, networks
from finetune.augmentation.batches import Batches, LabeledImages, Normalization, NormalizePixels, TrainingBatch
from finetune.augmentation.keyed_random import number, reseed
from finetune.recipes import Recipe
from finetune.training import averaging, distributed, engine, evaluate, history
from finetune.training.gradients import sound_gradients
from finetune.training.optimizers import optimizer
from heads.neural import optimize
from heads.neural.optimize import Epoch, Step, Totals
from heads.neural.schedule import Schedule, schedule
from heads.sample import training_sample

WHITENING_EPOCHS = 3  # airbench: the bias of the whitening layer is trained for so long
WHITENING_IMAGES = 5000
WHITENING_PIXELS = WHITENING_IMAGES * 32 * 32  # of enlarged images: as many patches as of CIFAR's, for as much memory


@dataclass(frozen=True)
class How:
    """What a training is given beside its images: normalization, seed, device, resolved engine, a resize, threads.

    `followed` is the history of an earlier training, by whose plateaus the rate falls in place of its own;
    `stop_epoch` the epoch of the recipe's after which to end, None for the last.
    """

    normalization: Normalization
    seed: int
    device: torch.device
    precision: str
    engine: str
    resize: nn.Module | None
    followed: history.History | None = None
    stop_epoch: int | None = None
    threads: int | None = None


def step_threads(network: nn.Module, *, rows: int, image_size: tuple[int, int], device: torch.device) -> int | None:
    """Threads for steps of `rows` images through `network`: None for as many as there are, and on a GPU."""
    if device.type != "cpu" or torch.get_num_threads() == 1:
        return None
    layers = sum(not list(module.children()) for module in network.modules())
    flops = rows * cost(network, image_size=image_size).flops
    return threads_for(flops, operators=layers)


@contextlib.contextmanager
def surroundings(network: nn.Module, how: How) -> Iterator[None]:
    """What a training of `network` runs in: memory kept, sound gradients, the caller's random state put back."""
    devices = [how.device] if how.device.type == "cuda" else []
    sound = sound_gradients(network, device=how.device, precision=how.precision)
    with memory_kept(), torch.random.fork_rng(devices=devices), sound, limited_threads(how.threads):
        yield


class Trainer:
    """A network on its way through a recipe. `rows` is the history.

    `seconds` is what the updates have taken, `epoch_seconds` those of the epoch that is not over, and
    `validation_seconds` the passes over validation images, earlier processes' included.
    """

    def __init__(self, network: nn.Module, train: LabeledImages, *, recipe: Recipe, how: How) -> None:
        self.network, self.recipe, self.how, self._train = network, recipe, how, train
        self.rows: history.History = []
        self.seconds = self.epoch_seconds = self.validation_seconds = 0.0
        self.best: dict[str, Tensor] = {}
        self.begun: Totals | None = None
        self.batches = Batches(
            train,
            recipe,
            normalization=how.normalization,
            seed=how.seed,
            resize=how.resize,
            rank=distributed.rank(),
            world_count=distributed.world_count(),
        )
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.optimizer = optimizer(network, recipe)
        # An optimizer may hold views of the weights instead (Muon), whose gradients come only with its step.
        self.trainable = [weight for weight in network.parameters() if weight.requires_grad]
        if recipe.batchnorm == "adapted":
            modes.adapt_batch_norm(network, steps_per_epoch=self.steps_per_epoch)
        self.averages: dict[str, Any] = {}
        self._forward: Callable[[Tensor], Tensor] | None = None

    def start(self, train: LabeledImages | None) -> None:
        """Begins a training that no checkpoint goes on with; a whitening layer is computed from `train`, if given."""
        if train is not None and networks.whitening_bias(self.network) is not None:
            normalize = NormalizePixels(self.how.normalization).to(self.how.device)
            networks.whiten(self.network, normalize(self._seen(train)))
        self._start_averages()

    def _seen(self, train: LabeledImages) -> Tensor:
        """The first training images as levels [N, 3, H, W] at the size at which the network sees them."""
        images, resize = train.images[:WHITENING_IMAGES], self.how.resize
        if resize is None:
            return images
        height, width = resize(images[:1]).shape[2:]
        return resize(images[: max(WHITENING_PIXELS // (height * width), 1)])

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
        return lambda step: factor(step) * history.plateau_factor(self._judged_rows())

    def _judged_rows(self) -> history.History:
        """The epochs done by which a plateau is judged: this training's own, or as many of the followed one's."""
        return self.rows if self.how.followed is None else self.how.followed[: len(self.rows)]

    @property
    def last_epoch(self) -> int:
        """The epoch after which the training ends, whatever its schedule still has."""
        return self.recipe.epochs if self.how.stop_epoch is None else self.how.stop_epoch

    def rate(self, step: int) -> float:
        """The learning rate of update number `step` (from 0) of the whole training, without multipliers."""
        return self.recipe.learning_rate * self.schedule()(step)

    def epochs(self, *, stop: Callable[[Totals], bool]) -> Iterator[Epoch]:
        """The remaining epochs, one after another; an unfinished one last where `stop` said so."""
        yield from optimize.train(
            self.loss,
            self.epoch_batches,
            optimizer=self.optimizer,
            schedule=self.schedule(),
            epochs=self.recipe.epochs,
            steps_per_epoch=self.steps_per_epoch,
            first_epoch=len(self.rows),
            clip_norm=self.recipe.clip_norm,
            clipped=self.trainable,
            after_step=self._after_step() if self.averages else None,
            accumulate=self.recipe.accumulate,
            begun=self.begun,
            stop=stop,
        )

    def loss(self, batch: TrainingBatch) -> Step:
        """The smoothed, blended cross-entropy of one batch; counts its plain loss and hits."""
        assert self._forward is not None
        key = (self.how.seed, "network", *batch.key, distributed.rank())
        reseed(self.how.device, number(key))  # for dropout and drop path
        with evaluate.autocast(self.how.device, self.how.precision):
            logits = self._forward(batch.inputs)
        log_probabilities = logits.float().log_softmax(1)
        plain = self._plain(log_probabilities, batch)
        smoothing = self.recipe.label_smoothing
        cost = torch.lerp(plain, -log_probabilities.mean(1), smoothing) if smoothing else plain
        likelier = batch.labels if batch.other_labels is None or batch.share >= 0.5 else batch.other_labels
        hits = (log_probabilities.detach().argmax(1) == likelier).sum()
        sums = {"running_training_loss": plain.detach().sum(), "running_training_accuracy": hits}
        return Step(loss=cost.mean() * batch.weight, sums=sums, row_count=len(batch.labels))

    def scores(self, held: LabeledImages | None) -> dict[str, float]:
        """Losses and accuracies of the present weights on a fixed sample of the training images, and on `held`."""
        train = self._train
        rows = torch.from_numpy(training_sample(len(train))).to(train.labels.device)
        sampled = self._scores(LabeledImages(train.images[rows], train.labels[rows]), part="training")
        if held is None:
            return sampled
        begun = time.perf_counter()
        judged = self._scores(held, part="validation")
        self.validation_seconds += time.perf_counter() - begun
        return sampled | judged

    def _scores(self, images: LabeledImages, *, part: str) -> dict[str, float]:
        return evaluate.scores(
            self.network,
            images,
            part=part,
            normalization=self.how.normalization,
            batch_size=self._validation_out_rows,
            resize=self.how.resize,
        )

    @functools.cached_property
    def _validation_out_rows(self) -> int:
        """Images that are scored at once, so that it takes no more memory than a step."""
        part_rows = self.recipe.batch_size // (self.recipe.accumulate * distributed.world_count())
        return evaluate.rows_at_once(self.network, image_size=self.batches.size, part_rows=part_rows)

    def is_finite(self) -> bool:
        """Whether all weights and statistics are finite numbers."""
        values = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        return bool(torch.stack([value.isfinite().all() for value in values]).all())

    def keep_best(self) -> None:
        """Remembers the present weights as the best."""
        self.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Everything that going on later needs, as tensors and primitives."""
        begun = self.begun or Totals()
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averages": {name: average.values for name, average in self.averages.items()},
            "best": self.best,
            "rows": self.rows,
            "begun": {"step": begun.step, "row_count": begun.row_count, "sums": begun.sums},
            "seconds": self.seconds,
            "epoch_seconds": self.epoch_seconds,
            "validation_seconds": self.validation_seconds,
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
        self.best, self.rows, self.seconds = state["best"], state["rows"], state["seconds"]
        self.epoch_seconds, self.validation_seconds = state["epoch_seconds"], state["validation_seconds"]
        torch.set_num_threads(min(state["threads"], thread_count()))  # on which the last bits depend
        begun = Totals(**state["begun"])
        begun.sums = {name: value.to(self.how.device) for name, value in begun.sums.items()}
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
            self._forward = engine.build(distributed.wrap(self.network), self.how.engine)
        return self.batches(epoch)

    def _after_step(self) -> Callable[[], None]:
        done = itertools.count(len(self.rows) * self.steps_per_epoch + (self.begun.step if self.begun else 0) + 1)

        def average() -> None:
            update = next(done)
            for one in self.averages.values():
                one.after_update(update)

        return average

    @staticmethod
    def _plain(log_probabilities: Tensor, batch: TrainingBatch) -> Tensor:
        """The cross-entropy of each row, [B]."""
        own = -log_probabilities.gather(1, batch.labels[:, None])[:, 0]
        if batch.other_labels is None:
            return own
        other = -log_probabilities.gather(1, batch.other_labels[:, None])[:, 0]
        return torch.lerp(other, own, batch.share)
