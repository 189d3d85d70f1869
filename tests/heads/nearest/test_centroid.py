"""Nearest class means against scikit-learn and scipy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestCentroid

from extract.errors import InvalidInputError
from heads.metrics import scores
from heads.nearest.centroid import CentroidHead
from heads.nearest.space import CentroidSpace
from heads.trials import FeatureSplit


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 3.0])
def test_euclidean_is_scikit_learn_s_nearest_centroid(shrinkage, digits, blobs):
    for features, labels in (digits, blobs):
        features = features + np.random.default_rng(0).normal(size=features.shape)  # no constant column
        theirs = NearestCentroid(shrink_threshold=shrinkage or None).fit(features, labels)
        ours = CentroidHead("euclidean", shrinkage=shrinkage).fit(features, labels)
        np.testing.assert_allclose(ours.centroids_, theirs.centroids_, atol=1e-9)
        np.testing.assert_array_equal(ours.predict(features), theirs.predict(features))


def test_logits_are_similarities_over_the_temperature(digits):
    features, labels = digits
    mean = features.mean(axis=0)
    means = np.stack([features[labels == k].mean(axis=0) for k in range(10)])
    cosine = CentroidHead("cosine", temperature=0.5).fit(features, labels).logits(features)
    np.testing.assert_allclose(cosine, (1 - cdist(features - mean, means - mean, "cosine")) / 0.5, atol=1e-5)
    squares = -cdist(features, means, "sqeuclidean") / 40.0
    euclidean = CentroidHead("euclidean", temperature=40.0).fit(features, labels).logits(features)
    np.testing.assert_allclose(
        euclidean - euclidean.max(axis=1, keepdims=True), squares - squares.max(axis=1, keepdims=True), atol=1e-3
    )


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_temperature_is_fitted_with_every_row_left_out_of_its_class_mean(metric, blobs):
    features, labels = blobs[0][:80].astype(np.float64), blobs[1][:80]
    logits = np.empty((80, 4))
    mean = features.mean(axis=0)
    for row in range(80):
        rest = np.arange(80) != row
        means = np.stack([features[rest & (labels == k)].mean(axis=0) for k in range(4)])
        one = features[row : row + 1]
        if metric == "cosine":
            logits[row] = 1 - cdist(one - mean, means - mean, "cosine")[0]
        else:
            logits[row] = -cdist(one, means, "sqeuclidean")[0]
    best = min(np.geomspace(1e-2, 1e3, 400), key=lambda t: scores(logits / t, labels).log_loss)
    assert CentroidHead(metric).fit(features, labels).temperature_ == pytest.approx(best, rel=0.04)


def test_the_temperature_of_shrunk_means_is_fitted_to_shrunk_means(digits):
    features, labels = digits
    head = CentroidHead("euclidean", shrinkage=8.0).fit(features[:900], labels[:900])
    raw = head.logits(features[900:]) * head.temperature_
    best = min(np.geomspace(0.1, 1e4, 100) * head.temperature_, key=lambda t: scores(raw / t, labels[900:]).log_loss)
    assert head.temperature_ == pytest.approx(best, rel=0.3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_one_row_a_class_is_enough(metric):
    head = CentroidHead(metric, shrinkage=1.0).fit(np.eye(5), list("abcde"))
    assert np.isfinite(head.logits(np.eye(5))).all()
    assert list(CentroidHead(metric).fit(np.eye(5), list("abcde")).predict(np.eye(5))) == list("abcde")


def test_one_row_a_class_to_learn_from_leaves_the_means_where_they_are(digits):
    """It shows no spread, which the search took for none: of equal candidates the greatest shrinkage was the first."""
    features, labels = (torch.from_numpy(part) for part in digits)
    numbers = torch.stack([torch.nonzero(labels == k)[:2, 0] for k in range(10)])
    split = FeatureSplit(features, numbers[:, 0], labels[numbers[:, 0]], numbers[:, 1], labels[numbers[:, 1]], 10)
    found = CentroidHead.candidates(CentroidSpace(), split, criterion="accuracy", seed=0)
    assert {candidate.options["shrinkage"] for candidate in found} == {0.0}


def test_impossible_options_are_refused(blobs):
    with pytest.raises(InvalidInputError, match="cosine"):
        CentroidHead("cosin").fit(*blobs)
    for shrinkage in (-1.0, float("nan"), float("inf"), "much"):
        with pytest.raises(InvalidInputError, match="shrinkage must be"):
            CentroidHead(shrinkage=shrinkage).fit(*blobs)
        with pytest.raises(InvalidInputError, match="shrinkages must be"):
            CentroidSpace(shrinkages=(shrinkage,))
    with pytest.raises(InvalidInputError, match="temperature must be"):
        CentroidHead(temperature=0.0).fit(*blobs)
    with pytest.raises(InvalidInputError, match="at least one"):
        CentroidSpace(metrics=())
