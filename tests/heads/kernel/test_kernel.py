"""Kernel ridge regression: scikit-learn's as the reference, and what many rows and several views promise."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from heads import fit_head
from heads.kernel import gram
from heads.kernel.kernel import KernelHead


def reference(head, features, labels, queries):
    """The logits of scikit-learn's KernelRidge for `head`, which is fitted, on features that are not bent."""
    wanted = np.eye(len(head.classes_))[labels] - head.offset_
    kernel = KernelRidge(alpha=head.alpha, kernel="rbf", gamma=1 / float(head.width_) ** 2)
    return (kernel.fit(features, wanted).predict(queries) + head.offset_) / head.temperature


@pytest.mark.parametrize("block", [2048, 64])
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
def test_it_is_scikit_learn_s_kernel_ridge(blobs, monkeypatch, block, alpha):
    monkeypatch.setattr(gram, "BLOCK", block)
    features, labels = blobs[0].astype(np.float64) + 30, blobs[1]
    head = KernelHead(0.8, alpha, power=1.0).fit(features[:400], labels[:400])
    assert head.converged_
    expected = reference(head, features[:400], labels[:400], features[400:])
    np.testing.assert_allclose(head.logits(features[400:]), expected, atol=2e-4)


def test_the_bandwidth_is_in_root_mean_square_distances_from_the_mean(blobs):
    features, labels = blobs
    head = KernelHead(0.5, power=1.0).fit(features, labels)
    spread = np.sqrt(features.astype(np.float64).var(axis=0).sum())
    assert float(head.width_) == pytest.approx(0.5 * spread * np.sqrt(2), rel=1e-6)
    np.testing.assert_allclose(
        KernelHead(0.5).fit(9 * features, labels).logits(9 * features[:50]),
        KernelHead(0.5).fit(features, labels).logits(features[:50]),
        atol=1e-3,
    )


def test_views_are_one_example_whose_kernel_is_the_mean_over_their_pairs(blobs):
    features, labels = blobs[0][:200], blobs[1][:200]
    other = features + np.random.default_rng(0).normal(size=features.shape).astype(np.float32)
    both, twice = np.concatenate([features, other]), np.tile(labels, 2)
    head = KernelHead(1.0, 0.1, power=1.0, views=2).fit(both, twice)

    def similar(left, right):
        return np.exp(-((left[:, None] - right) ** 2).sum(2).astype(np.float64) / float(head.width_) ** 2)

    kernel = sum(similar(left, right) for left in (features, other) for right in (features, other)) / 4
    wanted = np.eye(4)[labels] - head.offset_
    weights = np.linalg.solve(kernel + 0.1 * np.eye(200), wanted)
    queries = blobs[0][400:450]
    scores = (similar(queries, features) + similar(queries, other)) / 2 @ weights + head.offset_
    np.testing.assert_allclose(head.logits(queries), scores / 0.1, atol=2e-4)
    alike = KernelHead(1.0, 0.1, views=2).fit(np.tile(features, (2, 1)), twice)
    once = KernelHead(1.0, 0.1).fit(features, labels)
    np.testing.assert_allclose(alike.logits(queries), once.logits(queries), atol=2e-4)


def test_a_search_averages_the_views_that_it_was_given(blobs):
    features, labels = blobs
    views = np.stack([features, features + 0.1])
    head, choice = fit_head("kernel", {"bandwidths": [1.0], "alpha_grid": [0.1]}, features=views, labels=labels)
    assert head.views == 2
    assert head.coefficients_.shape == (600, 4)
    assert choice.table[0]["images"] == 540
    given_one, _ = fit_head(
        "kernel", {"bandwidths": [1.0], "alpha_grid": [0.1]}, features=views, labels=labels, validation=None
    )
    np.testing.assert_array_equal(given_one.coefficients_, head.coefficients_)


def test_it_chooses_on_some_images_and_judges_the_choice_on_all(blobs):
    options = {"bandwidths": [0.7, 1.4], "alpha_grid": [0.1, 1.0], "search_rows": 150}
    told = []
    _, choice = fit_head(
        "kernel",
        options,
        features=blobs[0],
        labels=blobs[1],
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert [row["images"] for row in choice.table] == [150] * 4 + [540]
    assert told == [(done, 5) for done in range(1, 6)]
    best = min(choice.table[:4], key=lambda row: row["log_loss"])
    last = choice.table[-1]
    assert (last["bandwidth"], last["alpha"]) == (best["bandwidth"], best["alpha"])
    assert choice.validation.log_loss == pytest.approx(last["log_loss"])
