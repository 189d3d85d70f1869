"""Projections into the plane: the same every time, and true to scikit-learn and to geometry."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from extract.errors import InvalidInputError
from heads.kernel.projection import METHODS, project


def test_pca_is_the_two_leading_components_up_to_one_scale(blobs):
    features, _ = blobs
    points = project(features, "pca").astype(np.float64)
    ours, theirs = points, PCA(2).fit_transform(features.astype(np.float64))
    scale = np.abs(theirs).max()
    assert np.allclose(np.abs(ours * scale), np.abs(theirs), atol=1e-4)


def test_tsne_keeps_neighbors_of_digits_together(digits):
    features, labels = digits[0][:300], digits[1][:300]
    points = project(features, "tsne")
    distances = ((points[:, None] - points[None]) ** 2).sum(-1) + np.eye(len(points)) * 9
    assert (labels[distances.argmin(1)] == labels).mean() > 0.85


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_few_rows_equal_rows_and_one_column_have_a_place(method, rows):
    for features in (np.ones((rows, 4)), np.arange(rows * 3.0).reshape(rows, 3), np.arange(rows * 1.0)[:, None]):
        points = project(features, method)
        assert points.shape == (rows, 2)
        assert np.isfinite(points).all()
        assert np.abs(points).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_points(blobs, method):
    assert np.array_equal(project(blobs[0][:80], method, seed=3), project(blobs[0][:80], method, seed=3))


@pytest.mark.parametrize("features", [np.zeros(3), np.zeros((0, 4)), np.full((3, 2), np.nan)])
def test_what_is_no_table_is_refused(features):
    with pytest.raises(InvalidInputError, match="features must be finite numbers"):
        project(features, "pca")
    with pytest.raises(InvalidInputError, match="Nearest: tsne"):
        project(np.zeros((3, 2)), "tsn")
