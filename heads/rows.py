"""Selection of training rows: validation split, training sample that is scored, few-shot draws."""

import numpy as np
import torch
from numpy.typing import ArrayLike

from extract.errors import InvalidInputError
from extract.runtime import groups as whole_groups
from heads import checks

TIES = 1  # beside the seed, of the generator that only decides between equal remainders
MOST, LEAST, SHARE = 2000, 200, 4  # rows; of few rows a quarter, but no fewer than LEAST


def validation_split(
    labels: ArrayLike | torch.Tensor,
    fraction: float | int | None = 0.1,
    *,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, validation rows), both sorted int64, of `labels` [N]; stratified, the same for a seed.

    `fraction` is a share in (0, 1), a whole number of rows, or None for an empty validation part. Every class
    keeps at least one row to train on; so a class with a single row is never for validation. Rows of one of `groups`
    [N] stand on one side, so that the parts have about the sizes asked for (`extract.runtime.groups.split_off`).
    Raises InvalidInputError where there are fewer rows for validation, and where no group can be split off.
    """
    array = checks.label_array(labels, rows=len(labels))  # type: ignore[arg-type]
    everything = np.arange(len(array), dtype=np.int64)
    if fraction is None:
        return everything, everything[:0]
    _, encoded, counts = np.unique(array, return_inverse=True, return_counts=True)
    quotas = _quotas(counts, _wanted(fraction, len(array)), seed=seed)
    if groups is not None:
        groups = checks.group_array(groups, rows=len(array))
        validation = whole_groups.split_off(encoded, groups, quotas, seed=seed, what="validation")
    else:
        generator = np.random.default_rng(seed)
        taken = [generator.permutation(np.flatnonzero(encoded == k))[:quota] for k, quota in enumerate(quotas) if quota]
        validation = np.sort(np.concatenate(taken))
    return np.setdiff1d(everything, validation, assume_unique=True), validation


def training_sample(count: int) -> np.ndarray:
    """Sorted numbers int64 of the rows that stand for `count` training rows; the same for the same count.

    Drawn at random, so that each class has about its share, by a generator of its own: no other draw is touched.
    """
    size = min(count, MOST, max(count // SHARE, LEAST))
    return np.sort(np.random.default_rng(0).permutation(count)[:size])


def drawn(targets: np.ndarray, shots: int, *, draw: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Sorted numbers of `shots` rows of every class of `targets` [N]; more shots only add rows.

    The rows of a class are each of another of the `groups` [N].
    """
    taken = []
    for k in range(int(targets.max()) + 1):
        generator = np.random.default_rng([seed, draw, k])
        rows = generator.permutation(np.flatnonzero(targets == k))
        rows = rows if groups is None else rows[np.sort(np.unique(groups[rows], return_index=True)[1])]
        taken.append(rows[:shots])
    return np.sort(np.concatenate(taken))


def _wanted(fraction: float | int, rows: int) -> int:
    is_number = isinstance(fraction, int | float | np.integer | np.floating) and not isinstance(fraction, bool)
    if is_number and isinstance(fraction, int | np.integer) and 0 < fraction < rows:
        return int(fraction)
    if is_number and 0 < fraction < 1:
        return max(1, round(float(fraction) * rows))
    raise InvalidInputError(
        f"validation must be a share between 0 and 1, fewer rows than the {rows} there are, or none; "
        f"got {fraction!r}. Use --validation 0.1."
    )


def _quotas(counts: np.ndarray, wanted: int, *, seed: int) -> np.ndarray:
    """How many rows of each class to hold out: `wanted` in all, in proportion, at most all but one of each."""
    room = counts - 1
    if not room.any():
        raise InvalidInputError(
            f"validation must leave every class a row to train on; got one image of each of {len(counts)} classes. "
            "Use --validation none, or add images."
        )
    if room.sum() < wanted:
        raise InvalidInputError(
            f"validation must leave every class a row to train on, so be at most {room.sum()} rows here; "
            f"got {wanted}. Take fewer for validation, or add images."
        )
    ideal = counts * (wanted / counts.sum())
    quotas = np.minimum(np.floor(ideal).astype(int), room)
    order = np.random.default_rng((seed, TIES)).permutation(len(counts))  # a generator of its own: rows are as ever
    while quotas.sum() < wanted:  # largest remainder first; ties fall by the seed
        lack = np.where(quotas < room, ideal - quotas, -np.inf)
        equal = np.flatnonzero(lack > lack.max() - 1e-9)
        quotas[equal[order[equal].argmin()]] += 1
    return quotas
