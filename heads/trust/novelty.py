"""How unlike the training images an image is: the distance of its features to the nearest of a sample of theirs."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from extract.errors import CorruptFileError

BANK_ROWS, VALIDATION_ROWS = 1000, 2000
NEIGHBOR = 5  # the distance is to the neighbor of this rank: one odd training image makes nothing familiar
BLOCK_ROWS = 2048
UNLIKE = 0.99  # share of the validation images that are nearer, above which an image is unlike anything seen
LEAST_VALIDATION_ROWS = 100  # fewer say nothing of their hundredth part


@dataclass(frozen=True)
class Reference:
    """A sample of training features, and how far the validation images are from it.

    `bank` float16 [R, D] are features of length 1, `distances` float32 [M] those of the validation images, sorted.
    Distances are 1 - cosine to the neighbor of rank `NEIGHBOR` (Sun et al., "Out-of-distribution detection with deep
    nearest neighbors", ICML 2022). Standardized first, features tell digits from CIFAR-10 far worse.
    """

    bank: np.ndarray
    distances: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, training: np.ndarray, validation: np.ndarray, *, seed: int) -> Self:
        """The reference of `features` [N, D], of which int64 rows are for training and for validation."""
        generator = np.random.default_rng(seed)
        rows = np.sort(generator.permutation(training)[:BANK_ROWS])
        held = np.sort(generator.permutation(validation)[:VALIDATION_ROWS])
        bank = unit(features[rows]).astype(np.float16)
        unscored = cls(bank, np.empty(0, np.float32))
        return cls(bank, np.sort(unscored.distances_of(features[held])))

    def distances_of(self, features: ArrayLike) -> np.ndarray:
        """Distances float32 [N] of `features` [N, D]."""
        table, bank = np.asarray(features), self.bank.astype(np.float32).T  # [D, R]
        rank = min(NEIGHBOR, bank.shape[1])
        found = [np.empty(0, np.float32)]
        for start in range(0, len(table), BLOCK_ROWS):
            near = unit(table[start : start + BLOCK_ROWS]) @ bank
            found.append(1 - np.partition(near, -rank, axis=1)[:, -rank])
        return np.concatenate(found)

    def farther_than(self, distances: np.ndarray) -> np.ndarray | None:
        """The share of the validation images that are nearer, float64 [N]; None where they are too few to say."""
        if len(self.distances) < LEAST_VALIDATION_ROWS:
            return None
        return np.searchsorted(self.distances, distances) / len(self.distances)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, as `from_arrays` takes them."""
        return vars(self).copy()

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The reference that gave these `arrays`; CorruptFileError for others."""
        try:
            found = cls(**arrays)
        except TypeError as error:
            raise CorruptFileError(f"reference must have its two arrays; got {sorted(arrays)}. Fit again.") from error
        if (found.bank.ndim, found.distances.ndim) != (2, 1) or not len(found.bank):
            raise CorruptFileError("reference must be arrays [R, D] and [M]; got others. Fit the head again.")
        return found


def unit(features: np.ndarray) -> np.ndarray:
    """Rows float32 [N, D] of length 1, so that their products are cosines."""
    wide = features.astype(np.float32)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
