"""Standardized features, in the precisions and with the eigenbasis that the solver needs."""

from dataclasses import replace

import torch

from heads.design import HELD_ELEMENT_COUNT, Eigenbasis, RowBlocks, cheap_dtype, eigenbasis, standardization
from heads.imbalance.class_weights import RowWeights
from heads.logistic.newton import LogisticProblem
from heads.logistic.products import Matrix

# Rows a column from which Hessian and preconditioner are computed where there are more: the Hessian's eigenvalues are
# then within about a third of those of all rows (Marchenko and Pastur 1967), so each step leaves a third of the error.
ROWS_PER_COLUMN = 48


def blocks(features: Matrix) -> RowBlocks:
    """`features` [N, D] as rows in float64."""
    return features if isinstance(features, RowBlocks) else RowBlocks(features, torch.float64)


def standardized(features: Matrix) -> RowBlocks:
    """`features` [N, D], each column with mean 0 and deviation 1."""
    return replace(blocks(features), standard=standardization(features))


def matrix(rows: RowBlocks, dtype: torch.dtype) -> Matrix:
    """`rows` in `dtype`: in memory where they are few, or no more than the features and often read; else in blocks.

    On a processor blocks of float32 are as fast to make as to fetch, and of float64 faster.
    """
    made, count = replace(rows, dtype=dtype), rows.shape[0] * rows.shape[1]
    is_cheap = dtype.itemsize < 8 and (dtype.itemsize == 2 or rows.features.is_cuda)
    return made.held() if rows.is_small or (is_cheap and count <= HELD_ELEMENT_COUNT) else made


def cheap_problem(
    rows: RowBlocks,
    targets: torch.Tensor,
    *,
    n_classes: int,
    basis: Eigenbasis | None = None,
    weights: RowWeights | None = None,
) -> LogisticProblem:
    """The problem of standardized `rows` [N, D] of class `targets` int64 [N], for first looks and Hessian products."""
    dtype, sample = cheap_dtype(rows.shape[0] * rows.shape[1], rows.features.device), _sample(rows)
    exact = matrix(rows, dtype)
    if isinstance(exact, RowBlocks):  # made at every reading, for which float32 is as fast
        exact = replace(exact, dtype=torch.float32)
    cheap = exact if sample is None else replace(rows, dtype=dtype)
    if basis is None:
        learned = rows if sample is None else rows.take(_evenly(rows, sample))
        basis = eigenbasis(exact if rows.is_small else replace(learned, dtype=torch.float32), torch.float32)
    return LogisticProblem(
        exact, cheap, sample=sample, targets=targets, n_classes=n_classes, basis=basis, weights=weights
    )


def _sample(rows: RowBlocks) -> int | None:
    """How many rows stand for all where they are very many."""
    count = ROWS_PER_COLUMN * rows.shape[1]
    return None if rows.is_small or len(rows) < 2 * count else count


def _evenly(rows: RowBlocks, count: int) -> torch.Tensor:
    """Sorted numbers int64 [`count`] of `rows`, drawn evenly; the same for a count."""
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(len(rows), generator=generator)[:count].sort().values.to(rows.features.device)
