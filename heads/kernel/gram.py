"""Kernel ridge regression on many rows: one matrix in memory, factored where it stands.

The kernel matrix [N, N] is float32. Its Cholesky factor takes the place of its lower half, block by block; the upper
half keeps the kernel, so that the solution is refined to float64's residual and other penalties start again from it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from extract.errors import InvalidInputError
from extract.runtime.machine import available_memory
from heads.design import signed_power

BLOCK = 2048  # rows of the matrix that are worked on at a time
RESIDUAL = 1e-6  # a solution is good when no equation is missed by more, where targets are of the order of one
REFINEMENTS = 20


@dataclass(frozen=True)
class KernelPoints:
    """Examples as points x [V, N, D] float32: k(x, z) = exp(-||x - z||^2).

    The V views of an example are one to the kernel: it is the mean over their pairs.
    """

    points: torch.Tensor

    def __len__(self) -> int:
        return self.points.shape[1]

    def similarities(self, queries: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """The kernel [M, stop - start] between `queries` [M, D] and examples, in the precision of the queries."""
        own = queries.square().sum(1)[:, None]
        total = queries.new_zeros(len(queries), stop - start)
        for view in self.points:
            near = view[start:stop].to(queries.dtype)
            squares = near.square().sum(1)[None]
            total += torch.addmm(squares, queries, near.T, alpha=-2).add_(own).clamp_(min=0).neg_().exp_()
        return total.div_(len(self.points))

    def scores(self, queries: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        """[M, K]: the kernel between `queries` [M, D] and all examples, times `coefficients` [N, K]."""
        blocks = []
        for block in queries.split(BLOCK):
            total = coefficients.new_zeros(len(block), coefficients.shape[1], dtype=queries.dtype)
            for start in range(0, len(self), BLOCK):
                stop = min(start + BLOCK, len(self))
                total += self.similarities(block, start, stop) @ coefficients[start:stop].to(queries.dtype)
            blocks.append(total)
        return torch.cat(blocks)


def as_points(features: torch.Tensor, *, power: float, mean: torch.Tensor, width: float) -> torch.Tensor:
    """float64 [..., D]: `features` raised to `power`, seen from `mean` float64 [D], in units of `width`."""
    return (signed_power(features, power).double() - mean) / width


@dataclass(frozen=True)
class Solution:
    """Coefficients float64 [N, K], how often they were refined, and by how much the worst equation is missed."""

    coefficients: torch.Tensor
    refinements: int
    residual: float

    @property
    def converged(self) -> bool:
        """Whether the residual is as small as is asked for."""
        return self.residual <= RESIDUAL


class KernelSystem:
    """(K + penalty I) a = y for the kernel matrix K of a bank; the answer is the same for the same number of threads.

    Raises InvalidInputError where the matrix has no room in memory.
    """

    def __init__(self, bank: KernelPoints) -> None:
        count, device = len(bank), bank.points.device
        must_fit(count, device)
        self._matrix = torch.empty(count, count, device=device)
        for start, stop in _ranges(count):
            for left, right in _ranges(stop):
                tile = torch.zeros(stop - start, right - left, device=device)
                for view in bank.points:
                    tile += bank.similarities(view[start:stop], left, right)
                tile /= len(bank.points)
                self._matrix[start:stop, left:right] = tile
                self._matrix[left:right, start:stop] = tile.T
        self._diagonal = self._matrix.diagonal().clone()

    def solutions(self, penalties: Sequence[float], targets: torch.Tensor) -> Iterator[Solution]:
        """For each of `penalties` the `Solution` for `targets` float64 [N, K]; InvalidInputError for one too small."""
        for number, penalty in enumerate(penalties):
            if number:
                self._restore()
            self._factor(penalty)
            yield self._refined(penalty, targets)

    def _restore(self) -> None:
        """The kernel again in the lower half."""
        for start, stop in _ranges(len(self._matrix)):
            self._matrix[stop:, start:stop] = self._matrix[start:stop, stop:].T
            tile = self._matrix[start:stop, start:stop]
            upper = tile.triu(1)
            tile.copy_(upper + upper.T)
        self._matrix.diagonal().copy_(self._diagonal)

    def _factor(self, penalty: float) -> None:
        matrix = self._matrix
        matrix.diagonal().add_(penalty)
        for start, stop in _ranges(len(matrix)):
            tile = matrix[start:stop, start:stop]
            factor, failed = torch.linalg.cholesky_ex(tile.tril() + tile.tril(-1).T)
            if bool(failed):
                raise InvalidInputError(
                    f"alpha must be large enough for a factorisation in float32; got {penalty!r}. Use 1e-2."
                )
            tile.copy_(tile.triu(1) + factor)
            below = torch.linalg.solve_triangular(factor, matrix[stop:, start:stop].T, upper=False).T.contiguous()
            matrix[stop:, start:stop] = below
            for first, last in _ranges(len(below)):
                rows = slice(stop + first, stop + last)
                kept = matrix[rows, rows].triu(1)
                matrix[rows, stop : stop + last].addmm_(below[first:last], below[:last].T, alpha=-1)
                corner = matrix[rows, rows]
                corner.copy_(corner.tril() + kept)

    def _refined(self, penalty: float, targets: torch.Tensor) -> Solution:
        """Solves, and then again for what is missed, as long as that helps."""
        best, missed = Solution(torch.zeros_like(targets), 0, float("inf")), targets
        for count in range(REFINEMENTS + 1):
            better = best.coefficients + self._solved(missed.float()).double()
            missed = self._missed(penalty, better, targets)
            residual = float(missed.abs().max())
            if count and not residual < best.residual:
                break
            best = Solution(better, count, residual)
            if best.converged:
                break
        return best

    def _missed(self, penalty: float, solution: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """targets - (K + penalty I) given [N, K], in float64 from the upper half."""
        left = targets - (self._diagonal.double()[:, None] + penalty) * solution
        for start, stop in _ranges(len(solution), 512):
            strip = self._matrix[start:stop, start:].double()
            strip[:, : stop - start].triu_(1)
            left[start:stop] -= strip @ solution[start:]
            left[start:] -= strip.T @ solution[start:stop]
        return left

    def _solved(self, targets: torch.Tensor) -> torch.Tensor:
        """float32 [N, K] by forward and back substitution."""
        result, matrix = targets.clone(), self._matrix
        ranges = list(_ranges(len(matrix)))
        for start, stop in ranges:
            result[start:stop] -= matrix[start:stop, :start] @ result[:start]
            factor = matrix[start:stop, start:stop].tril()
            result[start:stop] = torch.linalg.solve_triangular(factor, result[start:stop], upper=False)
        for start, stop in reversed(ranges):
            result[start:stop] -= matrix[stop:, start:stop].T @ result[stop:]
            factor = matrix[start:stop, start:stop].tril().T
            result[start:stop] = torch.linalg.solve_triangular(factor, result[start:stop], upper=True)
        return result


def must_fit(count: int, device: torch.device) -> None:
    """InvalidInputError where float32 [`count`, `count`] and what is worked on beside it do not fit on `device`."""
    needed = 4 * count * (count + 2 * BLOCK)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    if needed > free:
        raise InvalidInputError(
            f"features must be few enough for a kernel between all of their rows, {needed / 2**30:.1f} GiB for "
            f"{count}; got {free / 2**30:.1f} GiB free. Use fewer images (--subset), or the mlp head."
        )


def _ranges(count: int, size: int | None = None) -> Iterator[tuple[int, int]]:
    size = size or BLOCK
    for start in range(0, count, size):
        yield start, min(start + size, count)
