"""The logistic head against an independent scikit-learn fit, and what its docstrings promise."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator

from extract.errors import InvalidInputError
from heads.logistic.head import LogisticHead
from heads.logistic.space import LogisticSpace
from tests.heads.logistic.reference import standardized

C_VALUES = (1e-4, 1e-2, 1.0, 100.0)


def reference(features, labels, C):
    """(probabilities, objective) of scikit-learn at tight tolerance."""
    matrix = standardized(features)
    model = LogisticRegression(C=C, tol=1e-10, max_iter=50_000).fit(matrix, labels)
    square = (model.coef_**2).sum()
    chance = model.predict_proba(matrix)
    own = chance[np.arange(len(labels)), np.searchsorted(model.classes_, labels)]
    return chance, -np.log(own).mean() + square / (2 * C * len(labels))


def objective(head, features, labels, C):
    """The documented objective of a fitted head, from its folded weights."""
    features = np.asarray(features, dtype=np.float64)
    deviation = features.std(axis=0)
    deviation[deviation <= 1e-12 * np.abs(features.mean(axis=0))] = 1.0
    weights = head.weights_ * deviation[:, None]
    square = ((weights[:, 1] - weights[:, 0]) ** 2).sum() if len(head.classes_) == 2 else (weights**2).sum()
    logs = log_softmax(features @ head.weights_ + head.bias_, axis=1)
    own = logs[np.arange(len(labels)), np.searchsorted(head.classes_, labels)]
    return -own.mean() + square / (2 * C * len(labels))


def problem(name, digits):
    """One of the hard cases: features [N, D] and labels [N]."""
    generator = np.random.default_rng(3)
    images, labels = digits[0][:700], digits[1][:700]
    if name == "digits":
        return images, labels
    if name == "duplicated and constant columns":
        return np.concatenate(
            [images, images[:, :20], np.full((700, 2), 3.3), images[:, :5] * 1e6 + 1e8], axis=1
        ), labels
    if name == "ill-conditioned":
        scales = np.diag(10.0 ** np.linspace(0, -6, 40))
        return generator.normal(size=(300, 40)) @ scales @ generator.normal(size=(40, 40)), labels[:300]
    if name == "a class with one example":
        keep = np.r_[np.flatnonzero(labels != 3), np.flatnonzero(labels == 3)[:1]]
        return images[keep], labels[keep]
    if name == "two classes":
        return images, (labels > 4).astype(int)
    if name == "100 classes":
        many = np.r_[np.arange(100), generator.integers(0, 100, 900)]
        return generator.normal(size=(1000, 30)) + generator.normal(size=(100, 30))[many], many
    return generator.normal(size=(60, 200)), labels[:60]  # more columns than rows


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "duplicated and constant columns",
        "ill-conditioned",
        "a class with one example",
        "two classes",
        "100 classes",
        "more columns than rows",
    ],
)
def test_the_path_solver_agrees_with_scikit_learn(name, digits):
    features, labels = problem(name, digits)
    for C in C_VALUES:
        head = LogisticHead(C).fit(features, labels)
        chance, value = reference(features, labels, C)
        assert head.converged_
        assert objective(head, features, labels, C) == pytest.approx(value, rel=1e-8)
        np.testing.assert_allclose(head.predict_proba(features), chance, atol=1e-4)


def test_the_sklearn_solver_folds_the_same_model(digits):
    features, labels = digits
    ours = LogisticHead(0.01).fit(features, labels)
    theirs = LogisticHead(0.01, solver="sklearn", tolerance=1e-8).fit(features, labels)
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), atol=1e-4)
    np.testing.assert_allclose(theirs.weights_, ours.weights_, atol=1e-4)
    assert theirs.gradient_norm_ < 1e-6
    binary = (labels > 4).astype(int)
    pair = [LogisticHead(0.01, solver=solver, tolerance=1e-9).fit(features, binary) for solver in ("path", "sklearn")]
    np.testing.assert_allclose(pair[0].predict_proba(features), pair[1].predict_proba(features), atol=1e-4)


def test_features_are_not_changed(blobs):
    for dtype in (np.float16, np.float32, np.float64):
        features = blobs[0].astype(dtype)
        before = features.copy()
        LogisticHead(0.1).fit(features, blobs[1]).predict(features)
        np.testing.assert_array_equal(features, before)


def test_a_fit_is_repeatable_bit_for_bit(blobs):
    first, second = (LogisticHead(0.1).fit(*blobs) for _ in range(2))
    np.testing.assert_array_equal(first.weights_, second.weights_)
    np.testing.assert_array_equal(first.logits(blobs[0]), second.logits(blobs[0]))


def test_one_image_gives_the_same_logits_as_a_batch(blobs):
    head = LogisticHead(0.1).fit(*blobs)
    together = head.logits(blobs[0])
    alone = np.concatenate([head.logits(row[None]) for row in blobs[0][:50]])
    np.testing.assert_array_equal(together[:50], alone)


def test_tensors_half_floats_and_string_labels_are_taken(blobs):
    features, labels = blobs
    names = np.array(["cat", "dog", "eel", "fox"])[labels]
    head = LogisticHead(0.1).fit(torch.from_numpy(features), names)
    assert head.predict(torch.from_numpy(features)).dtype.kind == "U"
    assert head.logits(features).dtype == np.float32
    half = LogisticHead(0.1).fit(features.astype(np.float16), labels)
    np.testing.assert_allclose(half.predict_proba(features), head.predict_proba(features), atol=2e-3)


@pytest.mark.parametrize("C", [0, -1.0, float("nan"), float("inf"), "many"])
def test_c_must_be_positive_and_finite(C, blobs):
    with pytest.raises(InvalidInputError, match="C must be"):
        LogisticHead(C).fit(*blobs)
    with pytest.raises(InvalidInputError, match="c-grid must be"):
        LogisticSpace(c_grid=(1.0, C))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_iter": 0}, "max-iter must be"),
        ({"max_iter": -1}, "max-iter must be"),
        ({"max_iter": 2.5}, "max-iter must be"),
        ({"tolerance": -1.0}, "tolerance must be"),
        ({"tolerance": float("nan")}, "tolerance must be"),
        ({"tolerance": "x"}, "tolerance must be"),
    ],
)
@pytest.mark.parametrize("solver", ["path", "sklearn"])
def test_impossible_limits_are_refused(options, words, solver, blobs):
    with pytest.raises(InvalidInputError, match=words):
        LogisticHead(solver=solver, **options).fit(*blobs)


def test_scikit_learn_fits_tensors_where_they_are_when_scipy_was_told_to():
    """What a GPU would take, on the CPU, in a process of its own: scipy reads the variable when it is imported."""
    code = """
import numpy as np, sklearn, torch
from sklearn.linear_model import LogisticRegression
from heads.logistic.head import dispatches
assert dispatches()
rng = np.random.default_rng(0)
features, labels = rng.normal(size=(90, 4)), rng.integers(0, 3, 90)
with sklearn.config_context(array_api_dispatch=True):
    model = LogisticRegression().fit(torch.from_numpy(features), torch.from_numpy(labels))
assert isinstance(model.coef_, torch.Tensor)
np.testing.assert_allclose(model.coef_, LogisticRegression().fit(features, labels).coef_, atol=1e-9)
"""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_an_unknown_solver_is_refused_with_the_nearest_name(blobs):
    with pytest.raises(InvalidInputError, match="sklearn"):
        LogisticHead(1.0, solver="sklern").fit(*blobs)


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        ([[1.0, np.nan], [0.0, 1.0]], [0, 1], "finite.*row 0"),
        ([[1.0, 0.0], [0.0, np.inf]], [0, 1], "finite.*row 1"),
        ([[1.0, 0.0], [0.0, 1.0]], [1, 1], "two classes"),
        ([[1.0, 0.0], [0.0, 1.0]], [0, 1, 1], "as many as the rows of features, 2; got 3"),
        ([1.0, 0.0], [0, 1], r"\[N, D\]"),
        ([["a", "b"], ["c", "d"]], [0, 1], "numbers"),
        ([[1.0, 0.0], [0.0, 1.0]], [0.1, 1.7], "classes"),
        (np.zeros((0, 3)), [], "one row"),
    ],
)
def test_unusable_input_is_one_sentence(features, labels, words):
    with pytest.raises(InvalidInputError, match=words):
        LogisticHead().fit(features, labels)


def test_features_of_another_width_are_refused(blobs):
    head = LogisticHead(0.1).fit(*blobs)
    with pytest.raises(InvalidInputError, match=r"must be 20 wide.*got X has 7"):
        head.predict(np.zeros((3, 7)))


def test_scikit_learn_s_own_estimator_checks():
    skipped = {"check_array_api_input", "check_classifier_data_not_an_array", "check_fit_score_takes_y"}
    for estimator, check in estimator_checks_generator(LogisticHead(1.0)):
        if check.func.__name__ not in skipped:
            with np.errstate(invalid="ignore"):
                check(estimator)
