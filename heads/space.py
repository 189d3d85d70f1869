"""The search over one kind of head: its options, and a trial of each combination on validation rows.

Imports no torch, so that commands can list the options of every head at once: the class of the heads, named by
`head_path`, is imported when one is needed.
"""

import functools
import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

from extract.errors import InvalidInputError
from extract.runtime.options import option
from heads.trials import Candidate, FeatureSplit, Primitive, Progress

if TYPE_CHECKING:
    from heads.base import Head

WEIGHTS_HELP = "Weights of the classes: none, balanced (a rare class counts as much as any), or a file of CLASS,WEIGHT."
# Of so many validation rows the 90 % quantile covers 90 % to within 0.3 points: five further fits would add little.
ENOUGH_VALIDATION_ROWS = 10_000
head_option = functools.partial(option, group="Head")  # an option of a head, as a field of its space
# The option of heads whose loss can weigh classes: a word of `heads.imbalance.class_weights`, or weights by label.
weights_option = functools.partial(head_option, "none", WEIGHTS_HELP, metavar="none|balanced|FILE")


class Space(ABC):
    """The options of one kind of head that a search tries. Subclasses are dataclasses of primitives.

    Their fields are declared by `head_option`: command line, study files, searches and tables of
    the documentation are made from them.
    """

    kind: ClassVar[str]
    # The class of the heads of this kind, "module:class".
    head_path: ClassVar[str]
    # The fields that hold several values: every combination of these is a candidate.
    grids: ClassVar[tuple[str, ...]]
    criterion: ClassVar[str] = "log_loss"
    # Whether `temperature` None has the head fit one to its training rows, each scored by all the others.
    fits_temperature: ClassVar[bool] = False
    # Whether the head takes the number of views, of which its rows are so many blocks, as `views`.
    averages_views: ClassVar[bool] = False
    # Whether the weights of the fitted head are its training rows.
    keeps_rows: ClassVar[bool] = False
    # Whether it is the exact logistic regression at an option `C`, which `analysis.own` can repeat on some rows.
    is_regression: ClassVar[bool] = False
    # Whether a training row is its own nearest neighbor, so that training accuracy says nothing.
    is_own_neighbor: ClassVar[bool] = False
    # Whether it learns in epochs, of which validation rows choose the last: there is a choice with one candidate, too.
    stops_early: ClassVar[bool] = False
    # What the seed draws of a fit, beside the validation rows. A head with one solution draws nothing.
    drawn: ClassVar[tuple[str, ...]] = ()
    # Seconds to choose and fit, however few the rows: calls, and libraries that are imported for it.
    fixed_seconds: ClassVar[float] = 0.3

    @classmethod
    def head_class(cls) -> "type[Head]":
        """The class of the heads of this kind."""
        return pkgutil.resolve_name(cls.head_path)

    def candidates(
        self, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Trials of every candidate on `split`, as `Head.candidates` of the kind's heads yields them."""
        return self.head_class().candidates(self, split, criterion=criterion, seed=seed, progress=progress)

    @abstractmethod
    def defaults(self) -> dict[str, Primitive]:
        """The options for when rows are too few to choose by: of the grid, those nearest to the head's defaults."""

    def count(self) -> int:
        """Number of candidates."""
        return math.prod(len(getattr(self, name)) for name in self.grids)

    def operations(self, rows: int, *, scored: int, width: int, classes: int) -> float:
        """Cost of choosing on `rows` training rows [N, D], of the fit, and of `scored` other rows, for estimates.

        As many floating-point operations as a float32 matrix product does meanwhile: memory and small calls count too.
        """
        return 8.0 * (self.count() * rows + scored) * width * classes

    def trials(self, split: FeatureSplit) -> int:
        """Number of candidates on `split`."""
        return self.count()

    def single(self) -> dict[str, Primitive]:
        """The options of the one head of this space; InvalidInputError where it has several.

        For training on everything: there is no validation split to choose by.
        """
        count = math.prod(len(getattr(self, name)) for name in self.grids)
        if count > 1:
            names, each = " and ".join(self.grids).replace("_", "-"), " each" if len(self.grids) > 1 else ""
            raise InvalidInputError(
                f"{names} must be one value{each} without validation images; got {count} candidates. "
                f"Give one{each}, or a validation split."
            )
        return self.defaults()

    def head(self, options: dict[str, Primitive], *, seed: int, device: str) -> "Head":
        """The unfitted head for the `options` of a candidate; it gets the seed and the device if it takes them."""
        kind = self.head_class()
        taken = kind().get_params()
        all_heads = {"seed": seed, "device": device, "class_weights": getattr(self, "class_weights", "none")}
        own = {name: value for name, value in all_heads.items() if name in taken and name not in options}
        return kind(**options, **own)


def nearest_in(grid: Iterable[float], usual: float) -> float:
    """The entry of `grid` nearest to `usual` by ratio; of equally near ones the first."""
    return min(grid, key=lambda value: abs(math.log(value / usual)))
