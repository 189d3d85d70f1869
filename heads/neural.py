"""Linear and multilayer heads in torch: one class, `hidden=()` is linear; and the grids that choose them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch

from extract.errors import InvalidInput
from extract.runtime import resolve_device, torch_device
from heads import checks
from heads.base import Head
from heads.grid import Member, Recipe, Rows, Trained, train_grid
from heads.optimisers import OPTIMISERS
from heads.schedule import SCHEDULES
from heads.space import Candidate, Primitive, Space, Split


class NeuralHead(Head):
    """A multilayer perceptron with ReLU on standardised features, trained by cross-entropy with softmax.

    `hidden` are the widths of its hidden layers; () is a linear head. `epochs` is the length of the
    schedule, and `stop_epoch` the number of epochs really trained (None: all). `warm_up` is a share of all
    steps, `dropout` acts on hidden values, `momentum` is SGD's or Adam's beta1. Weight decay spares biases.

    Fitted: `layers_`, [W1, b1, W2, b2, ...] float64, the standardisation folded into the first; `curves_`,
    running train_loss and train_accuracy per epoch; `n_iter_`, epochs. The same seed gives the same head on
    one machine.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (),
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        optimiser: str = "adamw",
        momentum: float = 0.9,
        schedule: str = "cosine",
        warm_up: float = 0.0,
        epochs: int = 20,
        stop_epoch: int | None = None,
        batch_size: int = 512,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.optimiser = optimiser
        self.momentum = momentum
        self.schedule = schedule
        self.warm_up = warm_up
        self.epochs = epochs
        self.stop_epoch = stop_epoch
        self.batch_size = batch_size
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.seed = seed
        self.device = device

    @property
    def kind(self) -> str:  # type: ignore[override]
        """linear or mlp."""
        return "mlp" if self.hidden else "linear"

    def weights(self) -> dict[str, np.ndarray]:
        """The fitted layers, by number."""
        self._require_fitted()
        return {f"layer{index:02d}": array for index, array in enumerate(self.layers_)}

    def with_weights(self, weights: dict[str, np.ndarray], classes: np.ndarray, *, width: int) -> Self:
        """The head itself with the layers that `weights()` gave; no fitting."""
        self.layers_ = [weights[name] for name in sorted(weights)]
        self.classes_ = classes
        self.n_features_in_ = width
        return self

    def _fit(self, features: torch.Tensor, targets: torch.Tensor, *, class_count: int) -> None:
        recipe = checked_recipe(
            Recipe(
                optimiser=self.optimiser,
                momentum=self.momentum,
                schedule=self.schedule,
                warm_up=self.warm_up,
                epochs=self.epochs,
                batch_size=self.batch_size,
                dropout=self.dropout,
                label_smoothing=self.label_smoothing,
            ),
            linear=not self.hidden,
        )
        member = checked_member(Member(tuple(self.hidden), self.learning_rate, self.weight_decay))
        device = torch_device(resolve_device(self.device))
        trained = train_grid(
            Rows(features.to(device), targets.to(device)),
            None,
            members=[member],
            recipe=recipe,
            class_count=class_count,
            stop_epoch=self.epochs if self.stop_epoch is None else self.stop_epoch,
            seed=self.seed,
        )[0]
        self.layers_ = [layer.cpu().numpy() for layer in trained.layers]
        self.curves_ = trained.curves
        self.n_iter_ = trained.epochs

    def _logits(self, features: torch.Tensor) -> np.ndarray:
        """float64 in blocks of rows, rounded once: one image gives the same logits alone and in a batch."""
        layers = [torch.from_numpy(array).double() for array in self.layers_]
        logits = np.empty((len(features), len(layers[-1])), dtype=np.float32)
        for start in range(0, len(features), 2048):
            values = features[start : start + 2048].cpu().double()
            for depth in range(0, len(layers), 2):
                values = torch.addmm(layers[depth + 1], values.relu() if depth else values, layers[depth])
            logits[start : start + 2048] = values.float().numpy()
        return logits


@dataclass(frozen=True)
class _NeuralSpace(Space):
    """Learning rates x weight decays (x sizes), with a shared recipe; all trained in one pass, stacked."""

    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    weight_decays: tuple[float, ...] = (1e-4, 1e-2, 1e-1)
    optimiser: str = "adamw"
    momentum: float = 0.9
    schedule: str = "cosine"
    warm_up: float = 0.0
    epochs: int = 30
    patience: int | None = 8
    batch_size: int = 512
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        checked_recipe(self._recipe("log_loss"), linear=self._sizes() == ((),))
        for member in self._members():
            checked_member(member)
        if not self._members():
            raise InvalidInput("learning_rates and weight_decays must each be at least one number; got none. Add one.")

    def count(self) -> int:
        return len(self._members())

    def candidates(self, split: Split, *, criterion: str, seed: int) -> Iterator[Candidate]:
        trained = train_grid(
            Rows(split.features, split.targets),
            Rows(split.held_features, split.held_targets),
            members=self._members(),
            recipe=self._recipe(criterion),
            class_count=split.class_count,
            stop_epoch=self.epochs,
            seed=seed,
        )
        for member, result in zip(self._members(), trained, strict=True):
            yield self._candidate(member, result)

    def head(self, options: dict[str, Primitive], *, seed: int, device: str) -> NeuralHead:
        shared = {name: getattr(self, name) for name in SHARED}
        return NeuralHead(**shared, dropout=self._dropout(), **options, seed=seed, device=device)

    def only(self) -> dict[str, Primitive]:
        members = self._members()
        if len(members) > 1:
            raise InvalidInput(
                f"learning_rates, weight_decays and sizes must be one each where nothing is held out; got "
                f"{len(members)} combinations. Give one each, or hold out a validation part."
            )
        return self._options(members[0], None)

    def _candidate(self, member: Member, result: Trained) -> Candidate:
        assert result.held_logits is not None
        return Candidate(
            options=self._options(member, result.epochs),
            logits=result.held_logits.cpu().numpy(),
            facts={"epochs_run": len(result.curves["train_loss"])},
            curves=result.curves,
        )

    @staticmethod
    def _options(member: Member, stop_epoch: int | None) -> dict[str, Primitive]:
        return {
            "learning_rate": member.learning_rate,
            "weight_decay": member.weight_decay,
            "hidden": member.hidden,
            "stop_epoch": stop_epoch,
        }

    def _sizes(self) -> tuple[tuple[int, ...], ...]:
        return ((),)

    def _dropout(self) -> float:
        return 0.0

    def _members(self) -> list[Member]:
        """Narrow, slow and strongly decayed first: the order that breaks ties."""
        return [
            Member(size, rate, decay)
            for size, rate, decay in itertools.product(
                self._sizes(), sorted(self.learning_rates), sorted(self.weight_decays, reverse=True)
            )
        ]

    def _recipe(self, criterion: str) -> Recipe:
        shared = {name: getattr(self, name) for name in SHARED}
        return Recipe(**shared, dropout=self._dropout(), patience=self.patience, criterion=criterion)


SHARED = ("optimiser", "momentum", "schedule", "warm_up", "epochs", "batch_size", "label_smoothing")


@dataclass(frozen=True)
class LinearSpace(_NeuralSpace):
    """A grid of linear heads."""

    kind: ClassVar[str] = "linear"


@dataclass(frozen=True)
class MlpSpace(_NeuralSpace):
    """A grid of multilayer heads: `sizes` are widths of one hidden layer, or tuples of widths of several."""

    kind: ClassVar[str] = "mlp"

    weight_decays: tuple[float, ...] = (1e-2, 1e-1)
    sizes: tuple[int | tuple[int, ...], ...] = (512,)
    dropout: float = 0.3

    def _sizes(self) -> tuple[tuple[int, ...], ...]:
        return tuple((size,) if isinstance(size, int) else tuple(size) for size in self.sizes)

    def _dropout(self) -> float:
        return self.dropout


def checked_member(member: Member) -> Member:
    """`member`, whose rate is positive, decay not negative, and widths positive; InvalidInput otherwise."""
    checks.positive("learning_rate", member.learning_rate, remedy="Use one like 1e-3")
    if not 0 <= member.weight_decay < float("inf"):
        raise InvalidInput(f"weight_decay must be 0 or more; got {member.weight_decay!r}. Use one like 1e-2.")
    if any(not isinstance(width, int) or width < 1 for width in member.hidden):
        raise InvalidInput(f"hidden widths must be positive whole numbers; got {member.hidden!r}. Use 512.")
    return member


def checked_recipe(recipe: Recipe, *, linear: bool) -> Recipe:
    """`recipe`, every value of which is in its range; InvalidInput otherwise."""
    checks.one_of("optimiser", recipe.optimiser, OPTIMISERS)
    checks.one_of("schedule", recipe.schedule, SCHEDULES)
    for name, value in (
        ("epochs", recipe.epochs),
        ("batch_size", recipe.batch_size),
        ("patience", recipe.patience or 1),
    ):
        if not isinstance(value, int | np.integer) or value < 1:
            raise InvalidInput(f"{name} must be a whole number above 0; got {value!r}. Use 20.")
    for name in ("momentum", "warm_up", "dropout", "label_smoothing"):
        value = getattr(recipe, name)
        if not 0 <= value < 1:
            raise InvalidInput(f"{name} must be at least 0 and below 1; got {value!r}. Use 0 to leave it out.")
    if linear and recipe.dropout:
        raise InvalidInput(
            f"dropout must be 0 for a linear head, which has no hidden values; got {recipe.dropout}. Use the mlp head."
        )
    return recipe
