"""LogME and H-score against the formulas of their papers, computed the long way."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from heads.analysis.transferability import h_score, logme


def made(rng, rows, width, classes=3, signal=1.0):
    targets = np.arange(rows) % classes
    features = rng.normal(size=(rows, width))
    features[:, :classes] += signal * np.eye(classes)[targets]
    return features, targets


def evidence(features, target):
    """Equations 3 to 5 of the ICML paper with D x D matrices, iterated until the precisions stand still."""
    rows, width = features.shape
    alpha = beta = 1.0
    for _ in range(11):
        before, posterior = alpha / beta, alpha * np.eye(width) + beta * features.T @ features
        mean = beta * np.linalg.solve(posterior, features.T @ target)
        effective = width - alpha * np.trace(np.linalg.inv(posterior))
        residual, size = ((target - features @ mean) ** 2).sum(), (mean**2).sum()
        alpha, beta = effective / (size + 1e-5), (rows - effective) / (residual + 1e-5)
        if abs(alpha / beta - before) / before <= 1e-3:
            break
    determinant = np.linalg.slogdet(alpha * np.eye(width) + beta * features.T @ features)[1]
    whole = width * np.log(alpha) + rows * np.log(beta) - rows * np.log(2 * np.pi) - determinant
    return (whole - beta * residual - alpha * size) / 2 / rows


@pytest.mark.parametrize(("rows", "width"), [(60, 8), (200, 30), (30, 50)])
def test_logme_is_the_evidence_of_the_paper(rng, rows, width):
    features, targets = made(rng, rows, width)
    expected = np.mean([evidence(features, (targets == label).astype(float)) for label in range(3)])
    assert logme(features, targets) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("rows", "width"), [(60, 8), (200, 30), (30, 50)])
def test_h_score_is_the_trace_of_the_paper(rng, rows, width):
    features, targets = made(rng, rows, width)
    means = np.stack([features[targets == label].mean(0) for label in targets])
    plain = np.trace(np.linalg.pinv(np.cov(features, rowvar=False), rcond=1e-15) @ np.cov(means, rowvar=False))
    assert h_score(features, targets, shrunk=False) == pytest.approx(plain, rel=1e-6)
    known = LedoitWolf().fit(features - features.mean(0))
    shrunk = np.trace(np.linalg.pinv(known.covariance_) @ np.cov(means, rowvar=False)) * (1 - known.shrinkage_)
    assert h_score(features, targets) == pytest.approx(shrunk, rel=1e-6)


def test_features_that_tell_classes_apart_score_higher(rng):
    weak, strong = made(rng, 120, 10, signal=0.2), made(rng, 120, 10, signal=3.0)
    for score in (logme, h_score):
        assert score(*strong) > score(*weak)


def test_features_that_are_all_zero_say_what_noise_alone_does():
    targets = np.arange(60) % 3
    noise = [np.log(60 / (own**2).sum() / (2 * np.pi)) / 2 - 0.5 for own in np.eye(3)[targets].T]
    assert logme(np.zeros((60, 5)), targets) == pytest.approx(np.mean(noise), rel=1e-6)
    assert h_score(np.zeros((60, 5)), targets) == 0.0
