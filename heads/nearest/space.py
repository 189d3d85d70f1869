"""Options of the heads by nearness: nearest neighbors, and nearest class means. Imports no torch."""

from dataclasses import dataclass
from typing import ClassVar

from extract.runtime.options import check
from heads.space import Space, head_option, nearest_in
from heads.trials import Primitive


@dataclass(frozen=True)
class NeighborSpace(Space):
    """Numbers of neighbors x temperatures (None: votes all alike), all from one search for neighbors."""

    kind: ClassVar[str] = "knn"
    head_path: ClassVar[str] = "heads.nearest.knn:NeighborHead"
    grids: ClassVar = ("neighbors", "temperatures")
    keeps_rows: ClassVar[bool] = True
    is_own_neighbor: ClassVar[bool] = True

    neighbors: tuple[int, ...] = head_option(
        (1, 2, 5, 10, 20, 50, 100, 200),
        "Numbers of neighbors to try.",
        low=1,
        metavar="K,K,...",
        flags=("--neighbors", "--k"),
    )
    temperatures: tuple[float | None, ...] = head_option(
        (None, 0.3, 0.1, 0.05, 0.03),
        "Temperatures of the votes to try; none: all neighbors count alike.",
        above=0,
        metavar="T,none,...",
    )
    centered: bool = head_option(True, "Subtract the mean of the training rows first.", rare=True)

    def __post_init__(self) -> None:
        check(self)

    def operations(self, rows: int, *, scored: int, width: int, classes: int) -> float:
        queries = rows / 10 + min(rows / 4, 2000) + scored  # of validation rows and of a sample, too
        return queries * (6.0 * rows + 5e4) * width

    def defaults(self) -> dict[str, Primitive]:
        some = [temperature for temperature in self.temperatures if temperature is not None]
        temperature = nearest_in(some, 0.1) if some else None
        return {"neighbors": int(nearest_in(self.neighbors, 20)), "temperature": temperature, "centered": self.centered}


@dataclass(frozen=True)
class CentroidSpace(Space):
    """Metrics x shrinkages."""

    kind: ClassVar[str] = "centroid"
    head_path: ClassVar[str] = "heads.nearest.centroid:CentroidHead"
    grids: ClassVar = ("metrics", "shrinkages")
    fits_temperature: ClassVar[bool] = True

    metrics: tuple[str, ...] = head_option(
        ("cosine", "euclidean"),
        "Distance metrics to try.",
        choices=("cosine", "euclidean"),
        metavar="cosine,euclidean",
    )
    shrinkages: tuple[float, ...] = head_option(
        (0.0, 1.0, 3.0, 10.0),
        "Standard errors by which class means move to the mean of all rows, to try.",
        low=0,
        metavar="S,S,...",
    )

    def __post_init__(self) -> None:
        check(self)

    def operations(self, rows: int, *, scored: int, width: int, classes: int) -> float:
        return 600.0 * rows * width * classes

    def defaults(self) -> dict[str, Primitive]:
        return {"metric": self.metrics[0], "shrinkage": min(self.shrinkages), "temperature": None}
