"""Scores by class: scikit-learn as the reference, and intervals that hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_recall_fscore_support

from heads.imbalance.by_class import balanced, confusion_matrix
from heads.statistics import accuracy_interval


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
def test_rates_are_those_of_scikit_learn(pairs):
    targets, predicted = np.array(pairs).T
    found = balanced(confusion_matrix(targets, predicted, n_classes=5))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(targets, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(targets, predicted, average="macro"))
    each = precision_recall_fscore_support(targets, predicted, labels=range(5), zero_division=np.nan)
    for one, precision, recall, f1, rows in zip(found.by_class, *each, strict=True):
        assert one.rows == rows
        for value, theirs in ((one.precision, precision), (one.recall, recall)):
            assert (value is None) == np.isnan(theirs)
            assert value is None or value == pytest.approx(theirs)
        assert one.f1 is None or one.f1 == pytest.approx(0.0 if np.isnan(f1) else f1)
    for value, (low, high) in (
        (found.balanced_accuracy, found.balanced_accuracy_interval),
        (found.macro_f1, found.macro_f1_interval),
    ):
        assert 0 <= low <= value + 1e-12
        assert value <= high + 1e-12 <= 1 + 1e-9


def test_the_intervals_of_recall_and_precision_are_wilsons_and_that_of_f1_follows():
    found = balanced(np.array([[8, 2], [3, 17]])).by_class[0]
    assert found.recall_interval == accuracy_interval(8, 10)
    assert found.precision_interval == accuracy_interval(8, 11)
    low, high = accuracy_interval(8, 13)  # of the rows that are of the class or said to be
    assert found.f1_interval == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))


@pytest.mark.parametrize(
    "shares",
    [
        [[0.45, 0.05], [0.05, 0.45]],
        [[0.60, 0.05, 0.05], [0.04, 0.16, 0.00], [0.01, 0.01, 0.08]],
        [[0.899, 0.001], [0.02, 0.08]],
        np.full((10, 10), 0.0004) + np.eye(10) * 0.096,  # many classes, few errors in each
    ],
)
def test_intervals_of_the_means_cover_as_they_say(shares):
    """Of 600 test sets drawn from known shares, 95 % of the intervals hold the truth, within what chance does."""
    truth = balanced(np.round(np.array(shares) * 1e6).astype(int))
    drawn = np.random.default_rng(0).multinomial(300, np.ravel(shares), size=600)
    found = [balanced(counts.reshape(np.shape(shares))) for counts in drawn]
    for name in ("balanced_accuracy", "macro_f1"):
        wanted = getattr(truth, name)
        ends = np.array([getattr(one, f"{name}_interval") for one in found])
        covered = ((ends[:, 0] <= wanted) & (wanted <= ends[:, 1])).mean()
        assert 0.92 <= covered <= 0.995, (name, covered)
