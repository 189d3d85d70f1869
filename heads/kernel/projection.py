"""Embeddings in the plane, to be looked at: principal components, and t-SNE."""

import numpy as np
from numpy.typing import ArrayLike

from extract.errors import InvalidInputError, unknown

METHODS = ("pca", "tsne")
COMPONENT_COUNT = 50  # what t-SNE is given: more only adds noise to its distances (van der Maaten and Hinton 2008)


def project(features: ArrayLike, method: str, *, seed: int = 0) -> np.ndarray:
    """The rows of `features` [N, D] as points in the plane: float32 [N, 2], each axis within -1 to 1.

    "pca": the first two principal components, signs fixed so that the largest loading is positive. "tsne": van der
    Maaten and Hinton (JMLR 2008) on the first 50 components, started from PCA, perplexity 30 or a third of the rows
    where they are few. Both by scikit-learn; the same for the same seed. One row gives the origin.
    """
    table = _checked(features)
    if method not in METHODS:
        raise unknown("projection", name=method, known=METHODS)
    if len(table) < 2 or np.ptp(table, axis=0).max() == 0:
        return np.zeros((len(table), 2), np.float32)
    points = _components(table, 2, seed) if method == "pca" or len(table) < 4 else _neighbors(table, seed)
    reach = np.abs(points).max() or 1.0
    return (points / reach).astype(np.float32)


def _components(table: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    kept = min(count, *table.shape)
    points = PCA(kept, svd_solver="full" if min(table.shape) <= 500 else "randomized", random_state=seed).fit_transform(
        table
    )
    return points if kept >= 2 else np.column_stack([points, np.zeros(len(points))])


def _neighbors(table: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    reduced = _components(table, COMPONENT_COUNT, seed)
    perplexity = min(30.0, (len(table) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)


def _checked(features: ArrayLike) -> np.ndarray:
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape or not np.isfinite(table).all():
        raise InvalidInputError(
            f"features must be finite numbers [N, D]; got shape {table.shape}. Pass one view of a feature file."
        )
    return table
