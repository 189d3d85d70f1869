"""Options of the logistic head: a path of penalties. Imports no torch."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from extract.runtime.options import check
from heads.space import ENOUGH_VALIDATION_ROWS, Space, head_option, nearest_in, weights_option
from heads.trials import Primitive

C_GRID = tuple(float(C) for C in np.logspace(-6, 5, 45))


@dataclass(frozen=True)
class LogisticSpace(Space):
    """A path of C values, by default the usual 45 from 1e-6 to 1e5, log-spaced; `C` alone stands for a grid of one."""

    kind: ClassVar[str] = "logistic"
    head_path: ClassVar[str] = "heads.logistic.head:LogisticHead"
    grids: ClassVar = ("c_grid",)
    is_regression: ClassVar[bool] = True

    c_grid: tuple[float, ...] = head_option(
        C_GRID,
        "Inverse penalties to try; smaller is more regularized.",
        above=0,
        metavar="C,C,...",
        default_text="45 from 1e-6 to 1e5",
    )
    C: float | None = head_option(
        None,
        "Inverse penalty, in place of a grid.",
        above=0,
        rare=True,
        search={"low": 1e-6, "high": 1e5, "log": True},
    )
    solver: str = head_option(
        "path",
        "Solver: the path solver of this project, or scikit-learn's L-BFGS.",
        choices=("path", "sklearn"),
    )
    class_weights: str | dict = weights_option()  # noqa: RUF009 (no value is made)

    def __post_init__(self) -> None:
        check(self)
        grid = self.c_grid if self.C is None else (self.C,)
        object.__setattr__(self, "c_grid", tuple(sorted({float(C) for C in grid})))

    def operations(self, rows: int, *, scored: int, width: int, classes: int) -> float:
        folds = 130 if rows < 10 * ENOUGH_VALIDATION_ROWS else 0  # `analysis.own`; a tenth is for validation
        passes, calls = 100 + folds + 4 * len(self.c_grid), 1.3e11 + 2e9 * len(self.c_grid)  # of refit, and of each C
        eigenbases = (10.0 * rows * width + 75.0 * min(rows, width) ** 2) * min(rows, width)
        return calls + 4.0 * passes * rows * width * classes + eigenbases

    def defaults(self) -> dict[str, Primitive]:
        return {"C": nearest_in(self.c_grid, 1e-3), "solver": self.solver}
