"""Options of the heads in closed form: ridge regression, and kernel ridge regression. Imports no torch."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extract.runtime.options import check
from heads.space import Space, head_option, nearest_in, weights_option
from heads.trials import FeatureSplit, Primitive

ALPHA_GRID = tuple(float(alpha) for alpha in np.logspace(-1, 7, 17))
FLAGS = ("--alpha-grid", "--penalties")


@dataclass(frozen=True)
class RidgeSpace(Space):
    """Penalties, by default 17 from 0.1 to 1e7, log-spaced; `alpha` alone stands for a grid of one."""

    kind: ClassVar[str] = "ridge"
    head_path: ClassVar[str] = "heads.kernel.ridge:RidgeHead"
    grids: ClassVar = ("alpha_grid",)
    fits_temperature: ClassVar[bool] = True

    alpha_grid: tuple[float, ...] = head_option(
        ALPHA_GRID,
        "Penalties to try; larger is more regularized.",
        above=0,
        metavar="A,A,...",
        default_text="17 from 0.1 to 1e7",
        flags=FLAGS,
    )
    alpha: float | None = head_option(None, "Penalty, in place of a grid.", above=0, rare=True)
    class_weights: str | dict = weights_option()  # noqa: RUF009 (no value is made)

    def __post_init__(self) -> None:
        check(self)
        grid = self.alpha_grid if self.alpha is None else (self.alpha,)
        object.__setattr__(self, "alpha_grid", tuple(sorted({float(alpha) for alpha in grid}, reverse=True)))

    def operations(self, rows: int, *, scored: int, width: int, classes: int) -> float:
        rank = min(rows, width)  # of two Gram matrices and two eigenbases
        return (16.0 * rows * width + 38.0 * rank**2) * rank

    def defaults(self) -> dict[str, Primitive]:
        return {"alpha": nearest_in(self.alpha_grid, 1e3), "temperature": None}


@dataclass(frozen=True)
class KernelSpace(Space):
    """Bandwidths x penalties, chosen on `search_rows` images; the best of them on all is the last candidate."""

    kind: ClassVar[str] = "kernel"
    head_path: ClassVar[str] = "heads.kernel.kernel:KernelHead"
    grids: ClassVar = ("bandwidths", "alpha_grid")
    averages_views: ClassVar[bool] = True
    keeps_rows: ClassVar[bool] = True

    bandwidths: tuple[float, ...] = head_option(
        (0.5, 0.7, 1.0, 1.4),
        "Kernel bandwidths to try, in root mean square distances from the mean.",
        above=0,
        metavar="B,B,...",
    )
    alpha_grid: tuple[float, ...] = head_option(
        (0.03, 0.3, 3.0),
        "Penalties to try; larger is more regularized.",
        above=0,
        metavar="A,A,...",
        flags=FLAGS,
    )
    power: float = head_option(
        0.5,
        "Exponent of the power transform of the features; 1 leaves them as they are.",
        above=0,
        rare=True,
    )
    search_rows: int = head_option(8000, "Images that choose the bandwidth and the penalty.", low=1, rare=True)

    def __post_init__(self) -> None:
        check(self)

    def trials(self, split: FeatureSplit) -> int:
        return self.count() + self.chooses_on_some(split)

    def chooses_on_some(self, split: FeatureSplit) -> bool:
        """Whether only some of the images of `split` choose, so that the best is fitted again to all."""
        return self.count() > 1 and len(split.targets) > self.search_rows * split.views

    def operations(self, rows: int, *, scored: int, width: int, classes: int) -> float:
        chosen, alphas = min(self.search_rows, rows), len(self.alpha_grid)
        fits = 2 if chosen < rows else 1
        systems = len(self.bandwidths) * _system(chosen, width, solutions=alphas) + fits * _system(rows, width)
        return systems + 4.0 * scored * rows * width

    def defaults(self) -> dict[str, Primitive]:
        return {
            "bandwidth": nearest_in(self.bandwidths, 0.7),
            "alpha": nearest_in(self.alpha_grid, 0.03),
            "power": self.power,
        }


def _system(rows: int, width: int, *, solutions: int = 1) -> float:
    """Operations of a kernel matrix [N, N] of rows [N, D], of its factorisation and of refining each solution."""
    return rows**2 * (6.0 * width + solutions * (rows / 2 + 600.0))
