"""What training rows say of new ones: each judged by the chosen head of four fifths of the others."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import heads
from heads import registry
from heads.analysis import own
from heads.analysis.labels import folds
from heads.trust.conformal import least_probability


def chosen(features, labels, *, kind="logistic", options=None, **more):
    space = registry.space(kind, options or {"c_grid": [0.01, 0.1]})
    _, choice = heads.fit_head(kind, options or {"c_grid": [0.01, 0.1]}, features=features, labels=labels, **more)
    return space, choice


@pytest.mark.parametrize("weights", ["none", "balanced", {7: 3.0}])
def test_the_probabilities_are_those_of_scikit_learn_on_the_same_folds(rng, weights):
    features, labels = rng.normal(size=(300, 12)), rng.choice([3, 7, 9], 300, p=[0.6, 0.3, 0.1])
    features[np.arange(300), labels] += 1.5
    space, choice = chosen(features, labels, options={"C": 0.05, "class_weights": weights})
    found = own.own_probabilities(space, choice, features, labels)
    assert found is not None
    targets, expected = np.searchsorted([3, 7, 9], labels), np.empty(300)
    if isinstance(weights, dict):
        given = {**dict.fromkeys([3, 7, 9], 1.0), **weights}
    elif weights == "balanced":  # of all rows, as the head that answers has them
        given = {label: 300 / (3 * (labels == label).sum()) for label in (3, 7, 9)}
    else:
        given = None
    fold = folds(targets, groups=np.arange(300), seed=0)
    for number in range(5):
        keep, held = fold != number, fold == number
        scaler = StandardScaler().fit(features[keep])
        model = LogisticRegression(C=0.05, class_weight=given, tol=1e-8, max_iter=5000)
        model.fit(scaler.transform(features[keep]), labels[keep])
        expected[held] = model.predict_proba(scaler.transform(features[held]))[np.arange(held.sum()), targets[held]]
    np.testing.assert_allclose(found["plain"], expected, atol=5e-3)  # a first look, as the path's points are


def test_the_calibrated_ones_are_of_the_logits_over_the_temperature(rng):
    features, labels = rng.normal(size=(200, 8)), rng.integers(0, 2, 200)
    space, choice = chosen(features, labels)
    found = own.own_probabilities(space, replace(choice, temperature=2.5), features, labels)
    np.testing.assert_allclose(logit(found["calibrated"]), logit(found["plain"]) / 2.5, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
@hypothesis_settings(max_examples=10, deadline=None)
def test_no_row_is_judged_by_a_head_that_learned_from_its_group(seed, size):
    """Labels that only the group knows: a head that saw it would be sure, all others cannot tell."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(60), size)
    labels = rng.integers(0, 2, 60)[group]
    features = rng.normal(size=(60, 150))[group] * 5  # of more columns than groups: each can be learned by heart
    space, choice = chosen(features, labels, options={"C": 10.0}, groups=group)
    together = own.own_probabilities(space, choice, features, labels, groups=group)["plain"]
    apart = own.own_probabilities(space, choice, features, labels)["plain"]
    assert apart.mean() > 0.8
    assert together.mean() < 0.75


def test_sets_by_few_training_rows_cover_more_evenly_than_by_their_validation_rows(rng):
    """300 training rows of which 30 are for validation: coverage by all rows varies less from draw to draw."""
    covered = {"validation": [], "folds": []}
    for draw in range(25):
        labels = rng.integers(0, 4, 4300)
        features = rng.normal(size=(4300, 10)) + 1.5 * np.eye(10)[labels]
        train, fresh = slice(300), slice(300, None)
        space = registry.space("logistic", {"C": 0.03})
        head, choice = heads.fit_head(
            "logistic", {"C": 0.03}, features=features[train], labels=labels[train], seed=draw
        )
        judged = own.own_probabilities(space, choice, features[train], labels[train])["plain"]
        _, held = heads.validation_split(labels[train], 0.1, seed=draw)
        kept = softmax(choice.validation_logits, axis=1)[np.arange(len(held)), labels[train][held]]
        truth = softmax(head.logits(features[fresh]), axis=1)[np.arange(4000), labels[fresh]]
        for name, of in (("folds", judged), ("validation", kept)):
            covered[name].append((truth >= least_probability(of, coverage=0.9)).mean())
    assert np.std(covered["folds"]) < 0.7 * np.std(covered["validation"])  # by theory about 0.32
    assert abs(np.mean(covered["folds"]) - 0.9) < 0.02


def test_other_heads_several_views_and_many_validation_rows_are_not_worth_it(rng, monkeypatch):
    features, labels = rng.normal(size=(100, 8)).astype(np.float32), rng.integers(0, 3, 100)
    space, choice = chosen(features, labels)
    assert own.own_probabilities(space, choice, np.stack([features, features]), labels) is None
    ridge = chosen(features, labels, kind="ridge", options={"alpha_grid": [1.0]})
    assert own.own_probabilities(*ridge, features, labels) is None
    _, alone = heads.fit_head("logistic", {"C": 0.1}, features=features, labels=labels, validation=None)
    assert own.own_probabilities(space, alone, features, labels) is None
    monkeypatch.setattr(own, "ENOUGH_VALIDATION_ROWS", choice.validation_rows)
    assert own.own_probabilities(space, choice, features, labels) is None


def test_a_class_of_one_row_is_left_out(rng):
    features, labels = rng.normal(size=(100, 8)), np.r_[np.arange(99) % 3, 3]
    space, choice = chosen(features, labels)
    found = own.own_probabilities(space, choice, features, labels)
    assert len(found["plain"]) == 99
