"""Kernel ridge regression with a Gaussian kernel: closed form, and curved where ridge regression is flat."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from extract.errors import InvalidInputError
from extract.runtime.devices import resolve_device, torch_device
from heads import checks
from heads.base import Head
from heads.kernel.gram import Bank, System, as_points
from heads.logistic.design import signed_power
from heads.space import Candidate, Primitive, Progress, Space, Split, ValidationScore, nearest_in
from heads.temperature import temperature_for


class KernelHead(Head):
    """Least squares of 1 for the own class and 0 for the others with a Gaussian kernel and no intercept but the mean.

    Minimizes ||Y - K a||^2 + `alpha` a'K a, where K holds exp(-||x - z||^2 / (2 w^2)) for all pairs of training
    rows: scikit-learn's KernelRidge (Saunders et al., ICML 1998), which is the mean of a Gaussian process. The features
    are first raised to `power` (`heads.logistic.design.signed_power`); w is `bandwidth` times the root mean square
    distance of a training row from the mean of all. With `views` above 1 the rows are that many blocks, each of the
    same images in the same order (mirrored, say), and the kernel is the mean over all pairs of two images' views.
    Scores become logits by division with `temperature`. Takes 4 N^2 bytes of memory and about N^3 / 3 operations for N
    images.

    Fitted: `examples_` [views * N, D], the rows in the precision in which they came; `coefficients_` float64 [N, K];
    `mean_` float64 [D] of the raised features; `width_`, w sqrt(2); `offset_` [K], the classes' shares; `n_iter_`
    refinements of the solution; `converged_`, whether every equation holds within 1e-6.
    """

    kind = "kernel"
    weight_names = ("examples_", "coefficients_", "mean_", "width_", "offset_")

    def __init__(
        self,
        bandwidth: float = 0.7,
        alpha: float = 0.03,
        *,
        power: float = 0.5,
        temperature: float = 0.1,
        views: int = 1,
        device: str = "cpu",
    ) -> None:
        self.bandwidth = bandwidth
        self.alpha = alpha
        self.power = power
        self.temperature = temperature
        self.views = views
        self.device = device

    def _fit(self, features: torch.Tensor, targets: torch.Tensor, *, class_count: int) -> None:
        checked(self.bandwidth, self.alpha, self.power)
        checks.positive("temperature", self.temperature, remedy="Use 0.1")
        checks.whole_number("views", self.views, remedy="Use 1 where every row is an image of its own")
        if len(features) % self.views or bool(
            (targets.view(self.views, -1) != targets[: len(targets) // self.views]).any()
        ):
            raise InvalidInputError(
                f"rows must be {self.views} blocks of the same images, labels and all; got {len(features)} rows that "
                "are not. Use views=1."
            )
        device = torch_device(resolve_device(self.device))
        kept = features.float() if features.dtype == torch.bfloat16 else features  # numpy has no bfloat16
        problem = Problem.of(
            kept.to(device), targets.to(device), views=self.views, power=self.power, class_count=class_count
        )
        bank = problem.bank(self.bandwidth)
        (solution,) = System(bank).solutions([self.alpha], problem.wanted)
        self.examples_ = kept.cpu().numpy().copy()
        self.coefficients_ = solution.coefficients.cpu().numpy()
        self.mean_ = problem.mean.cpu().numpy()
        self.width_ = np.float64(problem.width(self.bandwidth))
        self.offset_ = problem.offset.cpu().numpy()
        self.n_iter_, self.converged_ = solution.refinements, solution.converged

    def _logits(self, features: torch.Tensor) -> np.ndarray:
        device = torch_device(resolve_device(self.device))
        mean = torch.from_numpy(self.mean_).to(device)
        examples = torch.from_numpy(self.examples_).to(device)
        bank = Bank(_points(examples, self.views, power=self.power, mean=mean, width=float(self.width_)))
        coefficients = torch.from_numpy(self.coefficients_).to(device)
        offset = torch.from_numpy(self.offset_).to(device)
        blocks = []
        for block in features.split(2048):  # in float64, rounded once: one image as in a batch
            points = as_points(block.to(device), power=self.power, mean=mean, width=float(self.width_))
            blocks.append(((bank.scores(points, coefficients) + offset) / self.temperature).float())
        return torch.cat(blocks).cpu().numpy()


@dataclass(frozen=True)
class KernelSpace(Space):
    """Bandwidths x penalties, chosen on `search_rows` images; the best of them on all is the last candidate."""

    kind: ClassVar[str] = "kernel"
    averages_views: ClassVar[bool] = True

    bandwidths: tuple[float, ...] = (0.5, 0.7, 1.0, 1.4)
    alpha_grid: tuple[float, ...] = (0.03, 0.3, 3.0)
    power: float = 0.5
    search_rows: int = 8000

    def __post_init__(self) -> None:
        if not self.bandwidths or not self.alpha_grid:
            raise InvalidInputError("bandwidths and alpha_grid must each be at least one; got none. Add one.")
        for bandwidth in self.bandwidths:
            for alpha in self.alpha_grid:
                checked(bandwidth, alpha, self.power)
        checks.whole_number("search_rows", self.search_rows, remedy="Use 8000")

    def count(self) -> int:
        return len(self.bandwidths) * len(self.alpha_grid)

    def trials(self, split: Split) -> int:
        return self.count() + self._chooses_on_some(split)

    def _chooses_on_some(self, split: Split) -> bool:
        return self.count() > 1 and len(split.targets) > self.search_rows * split.views

    def candidates(
        self, split: Split, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Wide bandwidths and great penalties first; facts say on how many images each was fitted."""
        problem = Problem.of(
            split.features, split.targets, views=split.views, power=self.power, class_count=split.class_count
        )
        part = None
        if self._chooses_on_some(split):
            order = np.random.default_rng(seed).permutation(len(problem.wanted))
            part = torch.from_numpy(np.sort(order[: self.search_rows])).to(split.targets.device)
        best, least = None, float("inf")
        for bandwidth in sorted(self.bandwidths, reverse=True):
            alphas = sorted(self.alpha_grid, reverse=True)
            for trial in self._trials(problem, split, part, bandwidth, alphas):
                yield trial
                cost = ValidationScore.of(trial, split.validation_targets.cpu().numpy()).cost(criterion)
                if cost < least:
                    best, least = trial, cost
        if part is not None and best is not None:
            chosen: dict[str, float] = best.options  # type: ignore[assignment]
            yield from self._trials(problem, split, None, chosen["bandwidth"], [chosen["alpha"]])

    def _scores(
        self,
        features: torch.Tensor,
        *,
        problem: "Problem",
        part: torch.Tensor | None,
        bandwidth: float,
        coefficients: torch.Tensor,
    ) -> torch.Tensor:
        """Scores [M, K] of `features` [M, D] by the examples `part` (None: all)."""
        bank = problem.bank(bandwidth, part)
        points = as_points(features, power=self.power, mean=problem.mean, width=problem.width(bandwidth))
        return bank.scores(points.float(), coefficients) + problem.offset

    def _trials(
        self,
        problem: "Problem",
        split: Split,
        part: torch.Tensor | None,
        bandwidth: float,
        alphas: list[float],
    ) -> Iterator[Candidate]:
        bank, wanted = problem.bank(bandwidth, part), problem.wanted if part is None else problem.wanted[part]
        held = as_points(split.validation_features, power=self.power, mean=problem.mean, width=problem.width(bandwidth))
        for alpha, solution in zip(alphas, System(bank).solutions(alphas, wanted), strict=True):
            scores = bank.scores(held.float(), solution.coefficients.float()) + problem.offset
            temperature = temperature_for(scores, split.validation_targets)
            yield Candidate(
                options={
                    "bandwidth": bandwidth,
                    "alpha": alpha,
                    "power": self.power,
                    "temperature": temperature,
                },
                logits=(scores / temperature).float().cpu().numpy(),
                facts={"images": len(wanted), "converged": solution.converged},
                apply=functools.partial(
                    self._scores,
                    problem=problem,
                    part=part,
                    bandwidth=bandwidth,
                    coefficients=solution.coefficients.float(),
                ),
            )

    def head(self, options: dict[str, Primitive], *, seed: int, device: str) -> KernelHead:
        return KernelHead(**options, device=device)  # type: ignore[arg-type]

    def usual(self) -> dict[str, Primitive]:
        return {
            "bandwidth": nearest_in(self.bandwidths, 0.7),
            "alpha": nearest_in(self.alpha_grid, 0.03),
            "power": self.power,
        }

    def only(self) -> dict[str, Primitive]:
        if self.count() > 1:
            raise InvalidInputError(
                f"bandwidths and alpha_grid must be one each without validation images; got {self.count()} "
                "combinations. Give one each, or a validation split."
            )
        return {"bandwidth": self.bandwidths[0], "alpha": self.alpha_grid[0], "power": self.power}


def checked(bandwidth: float, alpha: float, power: float) -> None:
    """Raises InvalidInputError unless all three are positive."""
    checks.positive("bandwidth", bandwidth, remedy="Use one like 0.7")
    checks.positive("alpha", alpha, remedy="Use one like 0.03; larger is more regularized")
    checks.positive("power", power, remedy="Use 1 to leave the features as they are")


@dataclass(frozen=True)
class Problem:
    """What all bandwidths share: centred points float32 [V, N, D], their mean, their spread, and the targets.

    `spread` is the root mean square distance from the mean; `wanted` float64 [N, K] is 1 for the own class and 0 for
    others, less `offset` [K], the classes' shares.
    """

    points: torch.Tensor
    mean: torch.Tensor
    spread: float
    wanted: torch.Tensor
    offset: torch.Tensor

    @classmethod
    def of(
        cls, features: torch.Tensor, targets: torch.Tensor, *, views: int, power: float, class_count: int
    ) -> "Problem":
        """The problem of `features` [views * N, D] and class indices int64 [views * N]."""
        wide = torch.promote_types(features.dtype, torch.float32)
        blocks = features.split(4096)
        mean = torch.stack([signed_power(one.to(wide), power).double().sum(0) for one in blocks]).sum(0) / len(features)
        points = _points(features, views, power=power, mean=mean, width=1.0)
        spread = float(points.square().sum(dtype=torch.float64) / len(features)) ** 0.5
        ones = torch.nn.functional.one_hot(targets[: points.shape[1]], class_count).double()
        return cls(points, mean, spread if spread > 0 else 1.0, wanted=ones - ones.mean(0), offset=ones.mean(0))

    def width(self, bandwidth: float) -> float:
        """The distance at which the kernel is 1 / e."""
        return bandwidth * self.spread * 2**0.5

    def bank(self, bandwidth: float, part: torch.Tensor | None = None) -> Bank:
        """The examples `part` (None: all) at `bandwidth`."""
        points = self.points if part is None else self.points[:, part]
        return Bank(points / self.width(bandwidth))


def _points(features: torch.Tensor, views: int, *, power: float, mean: torch.Tensor, width: float) -> torch.Tensor:
    """float32 [views, N, D] of `features` [views * N, D]."""
    blocks = [as_points(one, power=power, mean=mean, width=width).float() for one in features.split(4096)]
    return torch.cat(blocks).view(views, -1, features.shape[1])
