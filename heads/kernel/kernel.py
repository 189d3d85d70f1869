"""Kernel ridge regression with a Gaussian kernel: closed form, and curved where ridge regression is flat."""

import functools
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
import torch

from extract.errors import InvalidInputError
from extract.runtime.devices import resolve_device, torch_device
from heads.base import Head, parameter
from heads.design import signed_power
from heads.kernel.gram import KernelPoints, KernelSystem, as_points
from heads.kernel.space import KernelSpace
from heads.metrics import ValidationScore
from heads.temperature import temperature_for
from heads.trials import Candidate, FeatureSplit, Progress


@dataclass(eq=False, repr=False)
class KernelHead(Head):
    """Least squares of 1 for the own class and 0 for the others with a Gaussian kernel and no intercept but the mean.

    Minimizes ||Y - K a||^2 + `alpha` a'K a, where K holds exp(-||x - z||^2 / (2 w^2)) for all pairs of training
    rows: scikit-learn's KernelRidge (Saunders et al., ICML 1998), which is the mean of a Gaussian process. The features
    are first raised to `power` (`heads.design.signed_power`); w is `bandwidth` times the root mean square
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

    bandwidth: float = parameter(0.7, above=0)
    alpha: float = parameter(0.03, above=0)
    _: KW_ONLY
    power: float = parameter(0.5, above=0)
    temperature: float = parameter(0.1, above=0)
    views: int = parameter(1, low=1)
    device: str = "cpu"

    def _fit(self, features: torch.Tensor, targets: torch.Tensor, *, n_classes: int) -> None:
        if len(features) % self.views or bool(
            (targets.view(self.views, -1) != targets[: len(targets) // self.views]).any()
        ):
            raise InvalidInputError(
                f"rows must be {self.views} blocks of the same images, labels and all; got {len(features)} rows that "
                "are not. Use views=1."
            )
        device = torch_device(resolve_device(self.device))
        kept = features.float() if features.dtype == torch.bfloat16 else features  # numpy has no bfloat16
        problem = KernelProblem.of(
            kept.to(device), targets.to(device), views=self.views, power=self.power, n_classes=n_classes
        )
        bank = problem.bank(self.bandwidth)
        (solution,) = KernelSystem(bank).solutions([self.alpha], problem.wanted)
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
        bank = KernelPoints(_points(examples, self.views, power=self.power, mean=mean, width=float(self.width_)))
        coefficients = torch.from_numpy(self.coefficients_).to(device)
        offset = torch.from_numpy(self.offset_).to(device)
        blocks = []
        for block in features.split(2048):  # in float64, rounded once: one image as in a batch
            points = as_points(block.to(device), power=self.power, mean=mean, width=float(self.width_))
            blocks.append(((bank.scores(points, coefficients) + offset) / self.temperature).float())
        return torch.cat(blocks).cpu().numpy()

    @classmethod
    def candidates(
        cls, space: KernelSpace, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Wide bandwidths and great penalties first; facts say on how many images each was fitted."""
        problem = KernelProblem.of(
            split.features, split.targets, views=split.views, power=space.power, n_classes=split.n_classes
        )
        part = None
        if space.chooses_on_some(split):
            order = np.random.default_rng(seed).permutation(len(problem.wanted))
            part = torch.from_numpy(np.sort(order[: space.search_rows])).to(split.targets.device)
        best, least = None, float("inf")
        for bandwidth in sorted(space.bandwidths, reverse=True):
            alphas = sorted(space.alpha_grid, reverse=True)
            for trial in problem.trials(split, part, bandwidth, alphas):
                yield replace(trial, is_choice=part is None)
                cost = ValidationScore.of(trial.logits, split.validation_targets.cpu().numpy()).cost(criterion)
                if cost < least:
                    best, least = trial, cost
        if part is not None and best is not None:
            chosen: dict[str, float] = best.options  # type: ignore[assignment]
            yield from problem.trials(split, None, chosen["bandwidth"], [chosen["alpha"]])

    def module(self) -> torch.nn.Module:
        return Gaussians(self)


class Gaussians(torch.nn.Module):
    """Sums of Gaussian bumps about the examples, all of which are part of the module."""

    mean: torch.Tensor
    bank: torch.Tensor
    squares: torch.Tensor
    coefficients: torch.Tensor
    offset: torch.Tensor

    def __init__(self, head: KernelHead) -> None:
        super().__init__()
        tensors = {name: torch.from_numpy(array.copy()) for name, array in head.weights().items()}
        self.power, self.width = head.power, float(tensors["width_"])
        self.register_buffer("mean", tensors["mean_"])
        points = as_points(tensors["examples_"], power=head.power, mean=tensors["mean_"], width=self.width)
        self.register_buffer("bank", points.float().T.contiguous())
        self.register_buffer("squares", points.float().square().sum(1))
        scaled = tensors["coefficients_"] / (head.views * head.temperature)
        self.register_buffer("coefficients", scaled.repeat(head.views, 1))
        self.register_buffer("offset", tensors["offset_"] / head.temperature)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        raised = features.float()
        if self.power != 1.0:
            raised = raised.abs().pow(self.power) * raised.sign()
        points = ((raised.double() - self.mean) / self.width).float()
        distances = (points.square().sum(1, keepdim=True) + self.squares - 2 * (points @ self.bank)).clamp(min=0)
        return (-distances).exp().double() @ self.coefficients + self.offset


@dataclass(frozen=True)
class KernelProblem:
    """Data that all bandwidths share: centered points float32 [V, N, D] of features raised to `power`, and targets.

    `spread` is the root mean square distance from the mean; `wanted` float64 [N, K] is 1 for the own class and 0 for
    others, less `offset` [K], the classes' shares.
    """

    points: torch.Tensor
    power: float
    mean: torch.Tensor
    spread: float
    wanted: torch.Tensor
    offset: torch.Tensor

    @classmethod
    def of(
        cls, features: torch.Tensor, targets: torch.Tensor, *, views: int, power: float, n_classes: int
    ) -> "KernelProblem":
        """The problem of `features` [views * N, D] and class indices int64 [views * N]."""
        blocks = features.split(4096)
        mean = torch.stack([signed_power(one, power).double().sum(0) for one in blocks]).sum(0) / len(features)
        points = _points(features, views, power=power, mean=mean, width=1.0)
        spread = float(points.square().sum(dtype=torch.float64) / len(features)) ** 0.5
        ones = torch.nn.functional.one_hot(targets[: points.shape[1]], n_classes).double()
        return cls(points, power, mean, spread if spread > 0 else 1.0, wanted=ones - ones.mean(0), offset=ones.mean(0))

    def width(self, bandwidth: float) -> float:
        """The distance at which the kernel is 1 / e."""
        return bandwidth * self.spread * 2**0.5

    def bank(self, bandwidth: float, part: torch.Tensor | None = None) -> KernelPoints:
        """The examples `part` (None: all) at `bandwidth`."""
        points = self.points if part is None else self.points[:, part]
        return KernelPoints(points / self.width(bandwidth))

    def scores(
        self, features: torch.Tensor, *, part: torch.Tensor | None, bandwidth: float, coefficients: torch.Tensor
    ) -> torch.Tensor:
        """Scores [M, K] of `features` [M, D] by the examples `part` (None: all)."""
        points = as_points(features, power=self.power, mean=self.mean, width=self.width(bandwidth))
        return self.bank(bandwidth, part).scores(points.float(), coefficients) + self.offset

    def trials(
        self, split: FeatureSplit, part: torch.Tensor | None, bandwidth: float, alphas: list[float]
    ) -> Iterator[Candidate]:
        """A trial of each penalty at `bandwidth`, fitted to the examples `part` (None: all)."""
        bank, wanted = self.bank(bandwidth, part), self.wanted if part is None else self.wanted[part]
        points = as_points(split.validation_features, power=self.power, mean=self.mean, width=self.width(bandwidth))
        for alpha, solution in zip(alphas, KernelSystem(bank).solutions(alphas, wanted), strict=True):
            coefficients = solution.coefficients.float()
            scores = bank.scores(points.float(), coefficients) + self.offset
            temperature = temperature_for(scores, split.validation_targets)
            yield Candidate(
                options={"bandwidth": bandwidth, "alpha": alpha, "power": self.power, "temperature": temperature},
                logits=(scores / temperature).float().cpu().numpy(),
                facts={"images": len(wanted), "converged": solution.converged},
                apply=functools.partial(self.scores, part=part, bandwidth=bandwidth, coefficients=coefficients),
            )


def _points(features: torch.Tensor, views: int, *, power: float, mean: torch.Tensor, width: float) -> torch.Tensor:
    """float32 [views, N, D] of `features` [views * N, D]."""
    blocks = [as_points(one, power=power, mean=mean, width=width).float() for one in features.split(4096)]
    return torch.cat(blocks).view(views, -1, features.shape[1])
