"""Scores against scikit-learn, scipy and closed forms."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, top_k_accuracy_score

from extract.errors import InvalidInputError
from heads.metrics import calibration_error, compare, fit_temperature, reliability, scores
from heads.temperature import temperature_for


@pytest.fixture
def table(rng):
    """(logits [500, 8], labels [500]) of a classifier that is right more often than not."""
    labels = rng.integers(0, 8, 500)
    logits = rng.normal(size=(500, 8)) + 2 * np.eye(8)[labels]
    return logits, labels


def test_scores_agree_with_scikit_learn(table):
    logits, labels = table
    result = scores(logits, labels)
    chance, called = softmax(logits, axis=1), logits.argmax(axis=1)
    assert result.accuracy == pytest.approx(accuracy_score(labels, called))
    assert result.log_loss == pytest.approx(log_loss(labels, chance))
    assert result.top5 == pytest.approx(top_k_accuracy_score(labels, logits, k=5))
    matrix = confusion_matrix(labels, called)
    np.testing.assert_array_equal(result.confusion, matrix)
    np.testing.assert_allclose(result.per_class, matrix.diagonal() / matrix.sum(axis=1))


def test_calibration_error_is_the_binned_gap(table):
    logits, labels = table
    chance = softmax(logits, axis=1)
    confidence, correct = chance.max(axis=1), chance.argmax(axis=1) == labels
    gap = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        if inside.any():
            gap += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    assert scores(logits, labels).calibration_error == pytest.approx(gap, abs=1e-9)


def test_scores_are_json(table):
    assert json.loads(json.dumps(scores(*table).as_dict()))["rows"] == 500


def test_top5_is_none_for_five_classes_and_ties_go_to_the_first_column():
    assert scores(np.zeros((4, 5)), [0, 1, 2, 3]).top5 is None
    tied = scores(np.zeros((10, 10)), np.arange(10))
    assert tied.top5 == 0.5
    assert tied.accuracy == 0.1


def test_a_class_without_rows_has_no_accuracy():
    assert scores(np.eye(3), [0, 1, 1]).per_class == (1.0, 0.5, None)


def test_classes_name_the_columns():
    named = scores(np.eye(3), ["ant", "fly", "bee"], classes=["ant", "fly", "bee"])
    assert named.accuracy == 1.0
    with pytest.raises(InvalidInputError, match="'bug'"):
        scores(np.eye(3), ["ant", "bug", "bee"], classes=["ant", "fly", "bee"])


@pytest.mark.parametrize(
    ("logits", "labels"), [(np.zeros((3, 2)), [0, 1]), (np.full((2, 2), np.nan), [0, 1]), (np.zeros((0, 2)), [])]
)
def test_unusable_logits_are_refused(logits, labels):
    with pytest.raises(InvalidInputError, match="logits"):
        scores(logits, labels)


def test_temperature_undoes_a_known_scale(rng):
    honest = rng.normal(size=(20_000, 5)) * 2
    labels = (softmax(honest, axis=1).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(honest, labels) == pytest.approx(1.0, rel=0.03)
    assert fit_temperature(honest * 4, labels) == pytest.approx(4.0, rel=0.03)
    before, after = (scores(honest * 4, labels, temperature=t) for t in (1.0, 4.0))
    assert after.calibration_error < before.calibration_error
    assert after.accuracy == before.accuracy


def test_comparison_counts_pairs_and_tests_them():
    labels = np.zeros(100, dtype=int)
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    first = np.array([right] * 80 + [wrong] * 20)
    second = np.array([right] * 78 + [wrong] * 2 + [right] * 12 + [wrong] * 8)
    result = compare(first, second, labels=labels)
    assert (result.only_a, result.only_b) == (2, 12)
    assert result.difference == pytest.approx(0.10)
    assert result.p_value == pytest.approx((2 * (1 + 14) + 91) / 2**14)
    assert result.interval[0] > 0
    assert compare(first, first, labels=labels).p_value == 1.0


@given(hnp.arrays(np.float64, (30, 4), elements=st.floats(-50, 50)), st.integers(0, 2**31))
def test_swapping_the_sides_of_a_comparison_mirrors_it(logits, seed):
    generator = np.random.default_rng(seed)
    labels, other = generator.integers(0, 4, 30), generator.normal(size=(30, 4))
    one, two = compare(logits, other, labels=labels), compare(other, logits, labels=labels)
    assert one.difference == -two.difference
    assert one.p_value == two.p_value


@given(hnp.arrays(np.float64, (20, 6), elements=st.floats(-300, 300)), st.integers(0, 2**31))
def test_every_rate_is_a_fraction(logits, seed):
    result = scores(logits, np.random.default_rng(seed).integers(0, 6, 20))
    rates = [result.accuracy, *result.interval, result.top5, result.calibration_error]
    assert all(0 <= rate <= 1 for rate in rates)
    assert result.interval[0] <= result.accuracy <= result.interval[1]
    assert result.log_loss >= 0


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(InvalidInputError, match="temperature must be"):
        scores([[1.0, 0.0]], [0], temperature=temperature)


def test_a_perfect_table_has_a_log_loss_of_plain_zero():
    assert str(scores([[1e9, 0.0]], [0]).log_loss) == "0.0"


def problem(rng, rows):
    """Validation and test logits of a linear model that is overconfident, or not, with their labels."""
    classes, scale = int(rng.integers(2, 8)), float(np.exp(rng.uniform(-0.7, 0.9)))
    centers = rng.normal(size=(classes, 10)) * rng.uniform(0.4, 1.6)

    def drawn(count):
        labels = rng.integers(0, classes, count)
        points = centers[labels] + rng.normal(size=(count, 10))
        return -0.5 * ((points[:, None] - centers) ** 2).sum(-1) * scale, labels

    return drawn(rows), drawn(2000)


def test_a_fitted_temperature_costs_no_test_loss_worth_mentioning(rng):
    ratios = []
    for rows in np.geomspace(20, 600, 50).astype(int):
        held, test = problem(rng, rows)
        before, after = (scores(*test, temperature=one).log_loss for one in (1.0, fit_temperature(*held)))
        ratios.append((after + 1e-6) / (before + 1e-6))
    assert max(ratios) < 1.05
    assert np.median(ratios) < 0.99


@pytest.mark.parametrize("rows", [20, 60, 600])
def test_rows_that_are_all_right_sharpen_nothing_without_end(rows):
    logits = np.zeros((rows, 2))
    logits[np.arange(rows), np.arange(rows) % 2] = 4.0
    assert 0.5 < fit_temperature(logits, np.arange(rows) % 2) <= 1.0
    fitted = temperature_for(torch.from_numpy(logits), torch.arange(rows) % 2)
    confidence = softmax(logits / fitted, axis=1).max(axis=1).mean()
    assert confidence == pytest.approx((rows + 1) / (rows + 2), abs=1e-4)


def test_answers_that_are_correct_as_often_as_confident_are_called_calibrated(rng):
    called = 0
    confidences = rng.beta(4, 0.5, 360)
    for _ in range(200):
        error, limit = calibration_error(confidences, rng.random(360) < confidences)
        called += error <= limit
    assert called >= 186
    error, limit = calibration_error(confidences, rng.random(360) < confidences**3)
    assert error > limit


def test_calibration_does_not_depend_on_the_order_of_the_answers_nor_on_a_seed(rng):
    confidences = rng.random(500)
    correct = rng.random(500) < confidences
    order = rng.permutation(500)
    assert calibration_error(confidences, correct) == calibration_error(confidences[order], correct[order])


def test_the_gaps_of_the_reliability_bins_are_the_calibration_error(rng):
    confidences = rng.random(360)
    correct = rng.random(360) < confidences**2
    bins = reliability(confidences, correct)
    assert sum(count for *_, count in bins) == 360
    gaps = sum(abs(accuracy - confidence) * count for confidence, accuracy, count in bins) / 360
    assert gaps == pytest.approx(calibration_error(confidences, correct)[0])
