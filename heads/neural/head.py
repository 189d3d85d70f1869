"""Linear and multilayer heads in torch: one class, `hidden=()` is linear."""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from extract.errors import InvalidInputError
from extract.runtime.devices import resolve_device, torch_device
from heads import checks
from heads.base import Head
from heads.logistic.design import Standardization
from heads.neural.ensemble import merged, network_logits
from heads.neural.grid import Member, Recipe, Rows, train_grid
from heads.neural.optimizers import OPTIMIZERS
from heads.neural.schedule import SCHEDULES


class NeuralHead(Head):
    """A multilayer perceptron with ReLU on standardized features, trained by cross-entropy with softmax.

    `hidden` are the widths of its hidden layers; () is a linear head. `epochs` is the length of the schedule, and
    `stop_epoch` the number of epochs really trained (None: all). `warmup` is a share of all steps, `dropout` acts
    on hidden values, `input_dropout` on the standardized features, `momentum` is SGD's or Adam's beta1. `power`
    power transform the features before they are standardized (sign(x) |x|^power), and `mixup` blends batches with
    themselves (the alpha of its Beta distribution; 0 is without). `batch_size` None is `automatic_batch_size`. Weight
    decay spares biases. `copies` networks that start from other weights train beside each other, and the head is their
    mean logits (a deep ensemble: Lakshminarayanan et al., NeurIPS 2017), kept as one network.

    Fitted: `layers_`, [W1, b1, W2, b2, ...] float32, for features raised to `power` and then standardized by `mean_`
    and `scale_`, float64 [D]; `curves_`, running_training_loss and running_training_accuracy per epoch, means over the
    copies; `n_iter_`, epochs. The same seed gives the same head on one machine.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (),
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        optimizer: str = "adamw",
        momentum: float = 0.9,
        schedule: str = "cosine",
        warmup: float = 0.0,
        epochs: int = 20,
        stop_epoch: int | None = None,
        batch_size: int | None = None,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        power: float = 1.0,
        mixup: float = 0.0,
        copies: int = 1,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.momentum = momentum
        self.schedule = schedule
        self.warmup = warmup
        self.epochs = epochs
        self.stop_epoch = stop_epoch
        self.batch_size = batch_size
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.label_smoothing = label_smoothing
        self.power = power
        self.mixup = mixup
        self.copies = copies
        self.seed = seed
        self.device = device

    @property
    def kind(self) -> str:  # type: ignore[override]
        """linear or mlp."""
        return "mlp" if self.hidden else "linear"

    def weights(self) -> dict[str, np.ndarray]:
        """The fitted layers, by number, and the standardization before the first."""
        self._require_fitted()
        layers = {f"layer{index:02d}": array for index, array in enumerate(self.layers_)}
        return {**layers, "mean_": self.mean_, "scale_": self.scale_}

    def with_weights(self, weights: dict[str, np.ndarray], classes: np.ndarray, *, width: int) -> Self:
        """The head itself with what `weights()` gave; no fitting."""
        self.layers_ = [weights[name] for name in sorted(weights) if name.startswith("layer")]
        self.mean_, self.scale_ = weights["mean_"], weights["scale_"]
        self.classes_ = classes
        self.n_features_in_ = width
        return self

    def _fit(self, features: torch.Tensor, targets: torch.Tensor, *, class_count: int) -> None:
        device = torch_device(resolve_device(self.device))
        recipe = self._recipe(rows=len(features))
        trained = train_grid(
            Rows(features.to(device), targets.to(device)),
            None,
            members=self._members(),
            recipe=recipe,
            class_count=class_count,
            stop_epoch=self._stop_epoch(),
            seed=self.seed,
            progress=self._progress,
        )
        self.layers_ = [layer.cpu().numpy() for layer in merged([copy.layers for copy in trained])]
        self.mean_, self.scale_ = trained[0].standard.mean.cpu().numpy(), trained[0].standard.scale.cpu().numpy()
        self.curves_ = mean_curves([copy.curves for copy in trained])
        self.n_iter_ = trained[0].epochs

    def _recipe(self, *, rows: int) -> Recipe:
        recipe = Recipe(
            optimizer=self.optimizer,
            momentum=self.momentum,
            schedule=self.schedule,
            warmup=self.warmup,
            epochs=self.epochs,
            batch_size=automatic_batch_size(rows) if self.batch_size is None else self.batch_size,
            dropout=self.dropout,
            label_smoothing=self.label_smoothing,
            input_dropout=self.input_dropout,
            power=self.power,
            mixup=self.mixup,
        )
        return checked_recipe(recipe, linear=not self.hidden)

    def _members(self) -> list[Member]:
        checks.whole_number("copies", self.copies, remedy="Use 1 for a single network")
        return [
            checked_member(Member(tuple(self.hidden), self.learning_rate, self.weight_decay, copy))
            for copy in range(self.copies)
        ]

    def _stop_epoch(self) -> int:
        if self.stop_epoch is None:
            return self.epochs
        if not 1 <= self.stop_epoch <= self.epochs:
            raise InvalidInputError(
                f"stop_epoch must be at least 1 and at most epochs, {self.epochs}; got {self.stop_epoch!r}. "
                "Leave it out to train to the end."
            )
        return self.stop_epoch

    def _logits(self, features: torch.Tensor) -> np.ndarray:
        layers = [torch.from_numpy(array) for array in self.layers_]
        standard = Standardization(torch.from_numpy(self.mean_), torch.from_numpy(self.scale_))
        return network_logits(layers, features, standard=standard, power=self.power).numpy()


def automatic_batch_size(rows: int) -> int:
    """The power of two that makes between 32 and 64 steps an epoch of `rows`, but at least 4 and at most 512."""
    return min(max(2 ** int(math.log2(max(rows, 32) / 32)), 4), 512)


def mean_curves(curves: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """The means, epoch by epoch, of several networks' curves of one length."""
    return {name: np.mean([each[name] for each in curves], axis=0).tolist() for name in curves[0]}


def checked_member(member: Member) -> Member:
    """`member`, whose rate is positive, decay not negative, and widths positive; InvalidInputError otherwise."""
    checks.positive("learning_rate", member.learning_rate, remedy="Use one like 1e-3")
    checks.not_negative("weight_decay", member.weight_decay, remedy="Use one like 1e-2")
    if any(not isinstance(width, int | np.integer) or width < 1 for width in member.hidden):
        raise InvalidInputError(f"hidden widths must be positive whole numbers; got {member.hidden!r}. Use 512.")
    return member


def checked_recipe(recipe: Recipe, *, linear: bool) -> Recipe:
    """`recipe`, every value of which is in its range; InvalidInputError otherwise."""
    checks.one_of("optimizer", recipe.optimizer, OPTIMIZERS)
    checks.one_of("schedule", recipe.schedule, SCHEDULES)
    for name in ("epochs", "batch_size"):
        checks.whole_number(name, getattr(recipe, name), remedy="Use 20")
    if recipe.patience is not None:
        checks.whole_number("patience", recipe.patience, remedy="Leave it out to train to the end")
    for name in ("momentum", "warmup", "dropout", "input_dropout", "label_smoothing"):
        value = getattr(recipe, name)
        if not 0 <= value < 1:
            raise InvalidInputError(f"{name} must be at least 0 and below 1; got {value!r}. Use 0 to leave it out.")
    checks.positive("power", recipe.power, remedy="Use 1 to leave the features as they are")
    checks.not_negative("mixup", recipe.mixup, remedy="Use 0 to leave it out")
    if linear and recipe.dropout:
        raise InvalidInputError(
            f"dropout must be 0 for a linear head, which has no hidden values; got {recipe.dropout}. Use the mlp head."
        )
    return recipe
