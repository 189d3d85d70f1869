"""Options of the heads that learn in epochs: linear, and multilayer. Imports no torch."""

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from extract.errors import InvalidInputError
from extract.runtime.options import check
from heads.neural.schedule import SHAPES
from heads.space import Space, head_option, nearest_in, weights_option
from heads.trials import Primitive

if TYPE_CHECKING:
    import torch

OPTIMIZERS = ("sgd", "adam", "adamw")
STEP_OPERATIONS = 1e8  # of a step, however few its weights
UPDATE_OPERATIONS = 350.0  # of moving one weight: memory, not arithmetic
BEST_EPOCH = 0.5  # of all epochs, about
NO_DROPOUT = "dropout must be 0 for a linear head, which has no hidden values; got {}. Use the mlp head."


@dataclass(frozen=True)
class Member:
    """One network of a grid: hidden widths (() is linear), base learning rate, weight decay.

    Copies of other numbers start from other weights and drop other hidden values.
    """

    hidden: tuple[int, ...]
    learning_rate: float
    weight_decay: float
    copy: int = 0

    def options(self, *, stop_epoch: int | None, batch_size: int | None) -> dict[str, Primitive]:
        """The options of a head that are this network's own, not those of all networks of a grid."""
        return {
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "hidden": self.hidden,
            "stop_epoch": stop_epoch,
            "batch_size": batch_size,
        }


@dataclass(kw_only=True, eq=False, repr=False)  # a head is itself, and shows all its parameters
class HeadRecipe:
    """Training recipe of the networks of a grid, whatever their widths, learning rates and weight decays.

    Features are raised to `power` (`heads.design.signed_power`) before they are standardized; `input_dropout`
    acts on the standardized features (zero is their mean). `mixup` blends every batch with itself, features and targets
    (Zhang et al., ICLR 2018).
    """

    optimizer: str = head_option("adamw", "Optimizer.", choices=OPTIMIZERS)
    momentum: float = head_option(0.9, "Momentum of SGD, or Adam's beta1.", low=0, below=1, rare=True)
    schedule: str = head_option(
        "cosine", "Learning-rate schedule.", choices=tuple(SHAPES), search=["constant", "cosine", "one-cycle"]
    )
    warmup: float = head_option(
        0.0, "Share of the steps on which the learning rate rises.", low=0, below=1, metavar="SHARE"
    )
    epochs: int = head_option(20, "Length of the schedule in epochs.", low=1, metavar="N")
    batch_size: int | None = head_option(
        None,
        "Batch size, in rows of features.",
        low=1,
        default_text="32 to 64 steps an epoch",
        rare=True,
        search=[64, 128, 256, 512],
    )
    label_smoothing: float = head_option(
        0.0,
        "Share of each target that is spread over all classes.",
        low=0,
        below=1,
        metavar="SHARE",
        search=[0.0, 0.05, 0.1],
    )
    input_dropout: float = head_option(0.0, "Share of the features to drop at random.", low=0, below=1, rare=True)
    power: float = head_option(
        1.0, "Exponent of the power transform of the features; 1 leaves them as they are.", above=0, rare=True
    )
    mixup: float = head_option(0.0, "Alpha of the Beta distribution of mixup; 0 is without.", low=0, rare=True)
    class_weights: str | dict = weights_option()  # noqa: RUF009 (no value is made)
    dropout: float = 0.0  # of hidden values: an option where there are any

    def rows_per_step(self, rows: int) -> int:
        """The batch size for `rows`: without a given one the power of two that makes 32 to 64 steps, from 4 to 512."""
        if self.batch_size is not None:
            return self.batch_size
        return min(max(2 ** int(math.log2(max(rows, 32) / 32)), 4), 512)

    def smoothed(self, losses: "torch.Tensor", norms: "torch.Tensor", logits: "torch.Tensor") -> "torch.Tensor":
        """`losses` [G, B] with smoothed targets, where `norms` [G, B] are the logsumexp of `logits` [G, B, K]."""
        return losses.lerp(norms - logits.mean(2), self.label_smoothing) if self.label_smoothing else losses


def _changed(source: type, name: str, default: Primitive, **declared: object) -> Any:
    """The option `name` of `source` with another default and what else is `declared`."""
    metadata = {**source.__dataclass_fields__[name].metadata, **declared}  # type: ignore[attr-defined]
    return dataclasses.field(default=default, metadata=metadata)


RECIPE = tuple(field.name for field in dataclasses.fields(HeadRecipe))


@dataclass(kw_only=True)
class NeuralSpace(HeadRecipe, Space):
    """Learning rates x weight decays (x sizes), with a shared recipe; all trained in one pass, stacked.

    `batch_size` None is the automatic one for the rows that are trained on while choosing.
    """

    head_path: ClassVar[str] = "heads.neural.head:NeuralHead"
    grids: ClassVar = ("learning_rates", "weight_decays")
    drawn: ClassVar = ("initial weights", "order of the images")

    learning_rates: tuple[float, ...] = head_option(
        (3e-4, 1e-3, 3e-3, 1e-2),
        "Learning rates to try.",
        above=0,
        metavar="R,R,...",
        search={"low": 1e-4, "high": 3e-2, "log": True},
    )
    weight_decays: tuple[float, ...] = head_option(
        (1e-3, 1e-1, 1.0),
        "Weight decays to try.",
        low=0,
        metavar="D,D,...",
        search={"low": 1e-5, "high": 0.3, "log": True},
    )
    stops_early: ClassVar[bool] = True

    patience: int | None = head_option(8, "Epochs without a better one after which to stop.", low=1, metavar="N|none")
    copies: int = 1  # networks that an ensemble averages: an option of the mlp

    def __post_init__(self) -> None:
        check(self)
        if self.dropout and () in self.widths():
            raise InvalidInputError(NO_DROPOUT.format(self.dropout))

    def widths(self) -> tuple[tuple[int, ...], ...]:
        """The hidden widths of the networks to try; () is a linear one."""
        return ((),)

    def members(self) -> list[Member]:
        """Narrow, slow and strongly decayed first: the order that breaks ties."""
        return [
            Member(width, rate, decay)
            for width, rate, decay in itertools.product(
                self.widths(), sorted(self.learning_rates), sorted(self.weight_decays, reverse=True)
            )
        ]

    def operations(self, rows: int, *, scored: int, width: int, classes: int) -> float:
        """Steps of the grid, and of the copies while choosing and in the fit, which end at the best epoch, about."""
        kept = 0.9 * rows  # the validation split is left out
        batch = self.rows_per_step(int(kept))
        layers = [itertools.pairwise((width, *member.hidden, classes)) for member in self.members()]
        weights = [sum(one * other for one, other in pairs) for pairs in layers]
        fits = 2 if self.copies > 1 else 1
        moved = sum(weights) + BEST_EPOCH * fits * self.copies * max(weights)
        step = (1 + BEST_EPOCH * fits) * STEP_OPERATIONS + moved * (UPDATE_OPERATIONS + 6 * batch)
        return self.epochs * kept / batch * step

    def head(self, options: dict[str, Primitive], *, seed: int, device: str):
        shared = {name: getattr(self, name) for name in RECIPE}
        return super().head({**shared, **options}, seed=seed, device=device)

    def defaults(self) -> dict[str, Primitive]:
        member = Member(self.widths()[0], nearest_in(self.learning_rates, 1e-3), max(self.weight_decays))
        return member.options(stop_epoch=None, batch_size=self.batch_size)


@dataclass(kw_only=True)
class LinearSpace(NeuralSpace):
    """A grid of linear heads."""

    kind: ClassVar[str] = "linear"

    epochs: int = _changed(HeadRecipe, "epochs", 30)


@dataclass(kw_only=True)
class MlpSpace(NeuralSpace):
    """A grid of multilayer heads: `sizes` are widths of one hidden layer, or tuples of widths of several.

    With `copies` above 1 the best of the grid is then trained that many times from other weights, for as many
    epochs, and their mean logits are the last candidate. Accuracy chooses, since mixup makes probabilities timid
    (which the temperature mends) without making answers worse.
    """

    kind: ClassVar[str] = "mlp"
    grids: ClassVar = ("learning_rates", "weight_decays", "sizes")
    criterion: ClassVar[str] = "accuracy"

    learning_rates: tuple[float, ...] = _changed(NeuralSpace, "learning_rates", (1e-3, 2e-3))
    weight_decays: tuple[float, ...] = _changed(NeuralSpace, "weight_decays", (1e-1,))
    sizes: tuple[int | tuple[int, ...], ...] = head_option(
        (1024,),
        "Hidden widths to try; x between the layers of one.",
        low=1,
        metavar="N,NxM,...",
        search=[128, 256, 512, 1024, [512, 128]],
    )
    dropout: float = head_option(
        0.3,
        "Share of the hidden values to drop at random.",
        low=0,
        below=1,
        metavar="SHARE",
        search={"low": 0.0, "high": 0.6},
    )
    input_dropout: float = _changed(HeadRecipe, "input_dropout", 0.1, search={"low": 0.0, "high": 0.5})
    power: float = _changed(HeadRecipe, "power", 0.5, search=[0.5, 1.0])
    mixup: float = _changed(HeadRecipe, "mixup", 1.0, search=[0.0, 0.3, 1.0])
    copies: int = head_option(
        4, "Ensemble size: networks from other initial weights, whose logits are averaged.", low=1, rare=True
    )

    def count(self) -> int:
        return super().count() + (self.copies > 1)

    def single(self) -> dict[str, Primitive]:
        return {**super().single(), "copies": self.copies}

    def defaults(self) -> dict[str, Primitive]:
        return {**super().defaults(), "copies": self.copies}

    def widths(self) -> tuple[tuple[int, ...], ...]:
        return tuple((size,) if not isinstance(size, tuple) else size for size in self.sizes)
