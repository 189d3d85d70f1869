"""The training rows on which a model is scored beside its validation rows: fixed, and few enough to cost little."""

import numpy as np

MOST, LEAST, SHARE = 2000, 200, 4  # rows; of few rows a quarter, but no fewer than LEAST


def training_sample(count: int) -> np.ndarray:
    """Sorted numbers int64 of the rows that stand for `count` training rows; the same for the same count.

    Drawn at random, so that each class has about its share, by a generator of its own: no other draw is touched.
    """
    size = min(count, MOST, max(count // SHARE, LEAST))
    return np.sort(np.random.default_rng(0).permutation(count)[:size])
