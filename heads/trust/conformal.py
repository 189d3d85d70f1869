"""Sets of classes that hold the true one with a stated probability (conformal prediction)."""

import math

import numpy as np
from numpy.typing import ArrayLike

from extract.errors import InvalidInputError


def least_probability(own: ArrayLike, *, coverage: float) -> float:
    """The probability from which a class belongs to the set of an image, by those of other rows for their class.

    `own` [M] are of rows from which the classifier did not learn. Of new images like these the sets hold the true
    class with at least the probability `coverage`, and at most 1 / (M + 1) above it, whatever the classifier (Sadinle,
    Lei and Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", JASA 2019). With too few rows
    for the coverage it is 0: every set then holds all classes. Raises InvalidInputError for a coverage that is not
    between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise InvalidInputError(f"coverage must be a share between 0 and 1; got {coverage!r}. Use 0.9.")
    ordered = np.sort(own)[::-1]
    rank = math.ceil((len(ordered) + 1) * coverage)
    return float(ordered[rank - 1]) if rank <= len(ordered) else 0.0


def sets(probabilities: ArrayLike, least: float) -> list[list[int]]:
    """The columns of each row of `probabilities` [N, K] that are at least `least`, the likeliest first."""
    table = np.asarray(probabilities)
    order = np.argsort(-table, axis=1, kind="stable")
    return [[int(k) for k in columns if row[k] >= least] for row, columns in zip(table, order, strict=True)]
