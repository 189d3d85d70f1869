"""Sets of classes: their coverage is the one that was asked for, whatever the classifier."""

import numpy as np
import pytest
from scipy.stats import binom

from extract.errors import InvalidInputError
from heads.trust.conformal import least_probability, sets


def draws(rows, *, seed, sharpness):
    """Probabilities [N, 6] of a classifier that is wrong about its own certainty, and labels."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.ones(6) * 0.7, size=rows)
    labels = np.array([rng.choice(6, p=row) for row in truth])
    said = truth**sharpness
    return said / said.sum(1, keepdims=True), labels


@pytest.mark.parametrize("coverage", [0.6, 0.9, 0.99])
@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_sets_cover_as_they_say(coverage, sharpness):
    shares, labels = draws(2000, seed=0, sharpness=sharpness)
    least = least_probability(shares[np.arange(2000), labels], coverage=coverage)
    fresh, truth = draws(4000, seed=1, sharpness=sharpness)
    covered = sum(int(label) in one for one, label in zip(sets(fresh, least), truth, strict=True))
    spread = np.sqrt(coverage * (1 - coverage) * (1 / 4000 + 1 / 2000))  # of the test rows and of the validation rows
    assert abs(covered / 4000 - coverage) < 4 * spread
    held = sum(int(label) in one for one, label in zip(sets(shares, least), labels, strict=True))
    assert held >= coverage * 2000
    assert held <= binom.ppf(1 - 1e-9, 2000, coverage)


def test_too_few_rows_for_a_coverage_give_every_class_and_members_are_sorted():
    shares, labels = draws(8, seed=0, sharpness=1.0)
    least = least_probability(shares[np.arange(8), labels], coverage=0.9)
    assert least == 0.0
    assert all(sorted(one) == list(range(6)) for one in sets(shares, least))
    assert sets(np.array([[0.2, 0.5, 0.3]]), 0.25) == [[1, 2]]


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1, 90])
def test_a_coverage_is_a_share(coverage):
    with pytest.raises(InvalidInputError, match="coverage must be a share between 0 and 1"):
        least_probability(np.ones(3), coverage=coverage)
