"""The grids that choose linear and multilayer heads: all of their networks train in one pass."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from extract.errors import InvalidInputError
from heads import checks
from heads.neural.ensemble import network_logits
from heads.neural.grid import Member, Recipe, Rows, Trained, train_grid
from heads.neural.head import NeuralHead, automatic_batch_size, checked_member, checked_recipe
from heads.space import Candidate, Primitive, Progress, Space, Split, ValidationScore, nearest_in


@dataclass(frozen=True)
class _NeuralSpace(Space):
    """Learning rates x weight decays (x sizes), with a shared recipe; all trained in one pass, stacked.

    `batch_size` None is the automatic one for the rows that are trained on while choosing.
    """

    drawn: ClassVar[tuple[str, ...]] = ("initial weights", "order of the images")

    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2)
    weight_decays: tuple[float, ...] = (1e-3, 1e-1, 1.0)
    optimizer: str = "adamw"
    momentum: float = 0.9
    schedule: str = "cosine"
    warmup: float = 0.0
    epochs: int = 30
    patience: int | None = 8
    batch_size: int | None = None
    label_smoothing: float = 0.0
    input_dropout: float = 0.0
    power: float = 1.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        members = self._members()
        if not members:
            raise InvalidInputError(
                "learning_rates, weight_decays and sizes must each be at least one; got none. Add one."
            )
        for member in members:
            checked_member(member)
        checked_recipe(self._recipe("log_loss", rows=64), linear=self._sizes() == ((),))

    def count(self) -> int:
        return len(self._members())

    def candidates(
        self, split: Split, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        recipe = self._recipe(criterion, rows=len(split.features))
        trained = train_grid(
            Rows(split.features, split.targets),
            Rows(split.validation_features, split.validation_targets),
            members=self._members(),
            recipe=recipe,
            class_count=split.class_count,
            stop_epoch=self.epochs,
            seed=seed,
            watched=split.sample,
            progress=progress,
        )
        for member, result in zip(self._members(), trained, strict=True):
            yield candidate(member, result, recipe)

    def head(self, options: dict[str, Primitive], *, seed: int, device: str) -> NeuralHead:
        shared = {name: getattr(self, name) for name in SHARED}
        return NeuralHead(**{**shared, "dropout": self._dropout(), **options}, seed=seed, device=device)

    def usual(self) -> dict[str, Primitive]:
        member = Member(self._sizes()[0], nearest_in(self.learning_rates, 1e-3), max(self.weight_decays))
        return options_of(member, stop_epoch=None, batch_size=self.batch_size)

    def only(self) -> dict[str, Primitive]:
        members = self._members()
        if len(members) > 1:
            raise InvalidInputError(
                f"learning_rates, weight_decays and sizes must be one each without validation images; got "
                f"{len(members)} combinations. Give one each, or a validation split."
            )
        return options_of(members[0], stop_epoch=None, batch_size=self.batch_size)

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

    def _recipe(self, criterion: str, *, rows: int) -> Recipe:
        shared = {name: getattr(self, name) for name in SHARED}
        shared["batch_size"] = automatic_batch_size(rows) if self.batch_size is None else self.batch_size
        return Recipe(**shared, dropout=self._dropout(), patience=self.patience, criterion=criterion)


SHARED = (
    "optimizer",
    "momentum",
    "schedule",
    "warmup",
    "epochs",
    "batch_size",
    "label_smoothing",
    "input_dropout",
    "power",
    "mixup",
)


def candidate(member: Member, result: Trained, recipe: Recipe) -> Candidate:
    """The trial that `member` was."""
    assert result.validation_logits is not None
    return Candidate(
        options=options_of(member, stop_epoch=result.epochs, batch_size=recipe.batch_size),
        logits=result.validation_logits.cpu().numpy(),
        facts={"epochs_run": len(result.curves["running_training_loss"])},
        apply=functools.partial(network_logits, result.layers, standard=result.standard, power=recipe.power),
        curves=result.curves,
    )


def _mean(networks: Sequence[Callable[[torch.Tensor], torch.Tensor]], features: torch.Tensor) -> torch.Tensor:
    return torch.stack([network(features) for network in networks]).mean(0)


def options_of(member: Member, *, stop_epoch: int | None, batch_size: int | None) -> dict[str, Primitive]:
    """The options of a head that are not the whole space's."""
    return {
        "learning_rate": member.learning_rate,
        "weight_decay": member.weight_decay,
        "hidden": member.hidden,
        "stop_epoch": stop_epoch,
        "batch_size": batch_size,
    }


@dataclass(frozen=True)
class LinearSpace(_NeuralSpace):
    """A grid of linear heads."""

    kind: ClassVar[str] = "linear"


@dataclass(frozen=True)
class MlpSpace(_NeuralSpace):
    """A grid of multilayer heads: `sizes` are widths of one hidden layer, or tuples of widths of several.

    With `copies` above 1 the best of the grid is then trained that many times from other weights, for as many
    epochs, and their mean logits are the last candidate. Accuracy chooses, since mixup makes probabilities timid
    (which the temperature mends) without making answers worse.
    """

    kind: ClassVar[str] = "mlp"
    criterion: ClassVar[str] = "accuracy"

    learning_rates: tuple[float, ...] = (1e-3, 2e-3)
    weight_decays: tuple[float, ...] = (1e-1,)
    sizes: tuple[int | tuple[int, ...], ...] = (1024,)
    epochs: int = 20
    dropout: float = 0.3
    input_dropout: float = 0.1
    power: float = 0.5
    mixup: float = 1.0
    copies: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole_number("copies", self.copies, remedy="Use 1 for a single network")

    def count(self) -> int:
        return len(self._members()) + (self.copies > 1)

    def candidates(
        self, split: Split, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        best, least = None, float("inf")
        trials = super().candidates(split, criterion=criterion, seed=seed, progress=progress)
        for member, trial in zip(self._members(), trials, strict=True):
            yield trial
            cost = ValidationScore.of(trial, split.validation_targets.cpu().numpy()).cost(criterion)
            if cost < least:
                best, least = (member, trial), cost
        if self.copies > 1 and best is not None:
            yield self._ensemble(*best, split=split, criterion=criterion, seed=seed, progress=progress)

    def only(self) -> dict[str, Primitive]:
        return {**super().only(), "copies": self.copies}

    def _ensemble(
        self, member: Member, best: Candidate, *, split: Split, criterion: str, seed: int, progress: Progress | None
    ) -> Candidate:
        """`member`, whose trial was `best`, and further copies of it together."""
        trained = train_grid(
            Rows(split.features, split.targets),
            None,
            members=[replace(member, copy=copy) for copy in range(1, self.copies)],
            recipe=self._recipe(criterion, rows=len(split.features)),
            class_count=split.class_count,
            stop_epoch=int(best.options["stop_epoch"]),  # type: ignore[arg-type]
            seed=seed,
            progress=progress,
        )
        others = [
            functools.partial(network_logits, copy.layers, standard=copy.standard, power=self.power) for copy in trained
        ]
        held = [one(split.validation_features).cpu() for one in others]
        logits = torch.stack([torch.from_numpy(best.logits), *held]).mean(0)
        options, apply = {**best.options, "copies": self.copies}, functools.partial(_mean, [best.apply, *others])
        return replace(best, options=options, logits=logits.numpy(), apply=apply)

    def _sizes(self) -> tuple[tuple[int, ...], ...]:
        return tuple((size,) if not isinstance(size, tuple) else size for size in self.sizes)

    def _dropout(self) -> float:
        return self.dropout
