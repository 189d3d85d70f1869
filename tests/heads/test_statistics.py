"""Intervals and tests by exact enumeration, and against formulas written another way."""

import bisect
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom, binomtest, multinomial

from extract.errors import InvalidInputError
from heads.statistics import (
    accuracy_interval,
    holm,
    paired,
    paired_over_seeds,
    paired_rows,
    rows_interval,
    spread,
)

SIZES = (20, 50, 144, 360, 1_000, 10_000)


@pytest.mark.parametrize("correct", [0, 1, 19, 341, 359, 360])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_of_an_accuracy_is_wilsons(correct, confidence):
    found = binomtest(correct, 360).proportion_ci(confidence, method="wilson")
    assert accuracy_interval(correct, 360, confidence=confidence) == pytest.approx((found.low, found.high), abs=1e-12)


@pytest.mark.parametrize("rows", SIZES)
def test_the_interval_of_an_accuracy_covers_it_and_is_never_empty(rows):
    counts = np.arange(rows + 1)
    low, high = np.array([accuracy_interval(int(count), rows) for count in counts]).T
    accuracies = np.append(np.linspace(0.5, 1 - 2 / rows, 120), 1 - np.geomspace(2 / rows, 0.4, 40))
    first, last = np.searchsorted(high, accuracies), np.searchsorted(low, accuracies, side="right") - 1
    covered = binom.cdf(last, rows, accuracies) - binom.cdf(first - 1, rows, accuracies)
    assert covered.min() > 0.925
    assert covered.mean() > 0.945
    assert (high - low).min() > 0
    assert (low[0], high[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("rows", [50, 360, 10_000])
@pytest.mark.parametrize("confidence", [0.95, 0.9875])
def test_zero_is_outside_the_interval_of_a_difference_exactly_where_p_says_so(rows, confidence):
    for disputed in range(min(rows, 60) + 1):
        for only_b in range(disputed // 2 + 1):
            found = paired(disputed - only_b, only_b, rows, confidence=confidence)
            low, high = found.interval
            assert (high < 0) == (found.p_value < 1 - confidence)
            assert low <= found.difference <= high
            assert low < high


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 4), (1, 7), (2, 9), (12, 12), (5, 14), (150, 200)])
def test_p_is_mcnemars_mid_p(only_a, only_b):
    disputed, fewer = only_a + only_b, min(only_a, only_b)
    expected = 2 * binom.cdf(fewer, disputed, 0.5) - binom.pmf(fewer, disputed, 0.5)  # Fagerland et al., formula 4
    found, mirrored = paired(only_a, only_b, 10_000), paired(only_b, only_a, 10_000)
    assert found.p_value == pytest.approx(1 if only_a == only_b else expected)
    assert mirrored.p_value == found.p_value
    assert mirrored.interval == (-found.interval[1], -found.interval[0])


@pytest.mark.parametrize(("rows", "disputed_share"), [(360, 0.1), (1_000, 0.05), (10_000, 0.004)])
def test_true_equality_is_rejected_about_as_often_as_said(rows, disputed_share):
    """The images in dispute are drawn: 36 to 50 are expected."""
    rejected = 0.0
    for disputed in range(int(rows * disputed_share * 2.5)):
        counts = range(disputed // 2 + 1)
        few = bisect.bisect_left(counts, True, key=lambda count: paired(disputed - count, count, rows).p_value >= 0.05)
        rejected += binom.pmf(disputed, rows, disputed_share) * 2 * binom.cdf(few - 1, disputed, 0.5)
    assert 0.03 < rejected < 0.05


@pytest.mark.parametrize("rows", [50, 144])
def test_the_interval_of_a_difference_covers_it_where_one_side_is_nearly_empty_too(rows):
    tables = [(a, b) for a in range(25) for b in range(25)]
    low, high = np.array([paired(a, b, rows).interval for a, b in tables]).T
    for only_a, only_b in [(0, 0.03), (0.01, 0.03), (0.01, 0.05), (0.002, 0.01), (0.03, 0.03), (0, 0.06)]:
        counts = [(a, b, rows - a - b) for a, b in tables]
        chances = multinomial.pmf(counts, rows, [only_a, only_b, 1 - only_a - only_b])
        assert chances.sum() > 0.999
        assert chances[(low <= only_b - only_a) & (only_b - only_a <= high)].sum() > 0.94


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=5), st.sampled_from([0.9, 0.95]))
def test_holm_rejects_what_a_closed_test_rejects_and_its_levels_say_so(p_values, confidence):
    adjusted, levels = holm(p_values, confidence=confidence)
    everything = range(len(p_values))
    for index in everything:
        families = [one for size in everything for one in itertools.combinations(everything, size + 1) if index in one]
        closed = max(min(1.0, len(one) * min(p_values[other] for other in one)) for one in families)
        assert adjusted[index] == pytest.approx(closed)
        if abs(closed - (1 - confidence)) > 1e-9:
            assert (p_values[index] < 1 - levels[index]) == (closed < 1 - confidence)


def test_one_comparison_is_tested_as_if_there_were_no_others():
    assert holm([0.04]) == ((0.04,), (0.95,))
    assert holm([]) == ((), ())


def seeded(rng, *, seeds, rows, deviation, middle=3.0):
    """bool [seeds, rows] of networks whose accuracy varies over seeds by `deviation` points; and the method's own."""
    difficulty = middle + 1.5 * rng.normal(size=rows)
    logits = difficulty + rng.normal(size=(seeds, 1)) * deviation
    return rng.random((seeds, rows)) < expit(logits)


def test_a_row_of_one_seed_has_wilsons_interval_and_two_such_rows_are_a_pair(rng):
    table = seeded(rng, seeds=2, rows=300, deviation=0.0)
    assert rows_interval(table[:1]) == accuracy_interval(int(table[0].sum()), 300)
    only_a, only_b = int((table[0] & ~table[1]).sum()), int((table[1] & ~table[0]).sum())
    assert paired_rows(table[:1], table[1:]) == paired(only_a, only_b, 300)


def test_seeds_that_agree_everywhere_add_nothing_to_one():
    table = np.arange(200) % 10 > 0
    assert rows_interval([table] * 3) == pytest.approx(accuracy_interval(180, 200))
    other = np.roll(table, 3)
    pair, rows = paired(20, 20, 200), paired_rows([table] * 3, [other] * 2)
    assert rows.interval == pytest.approx(pair.interval)
    assert rows.p_value == pytest.approx(pair.p_value)
    same = paired_rows([table] * 3, [table] * 2)
    assert (same.difference, same.p_value) == (0, 1)
    assert same.interval == paired(0, 0, 200).interval


@pytest.mark.parametrize("seeds", [(5, 1), (2, 3)])
def test_zero_is_outside_the_interval_of_rows_exactly_where_p_says_so(rng, seeds):
    for shift in np.linspace(-0.6, 0.6, 9):
        table_a = seeded(rng, seeds=seeds[0], rows=400, deviation=0.1)
        table_b = seeded(rng, seeds=seeds[1], rows=400, deviation=0.1, middle=3.0 + shift)
        found = paired_rows(table_a, table_b)
        for confidence in (0.5, 0.95, 1 - found.p_value * 0.999, 1 - found.p_value * 1.001):
            low, high = paired_rows(table_a, table_b, confidence=confidence).interval
            assert (low > 0 or high < 0) == (found.p_value < 1 - confidence)
            assert low <= found.difference <= high
        mirrored = paired_rows(table_b, table_a)
        assert mirrored.p_value == pytest.approx(found.p_value)
        assert mirrored.interval == pytest.approx((-found.interval[1], -found.interval[0]))


def test_the_best_of_five_seeds_shows_no_difference_from_one_seed_of_an_equal_method(rng):
    shown = 0
    for _ in range(200):
        found = paired_rows(
            seeded(rng, seeds=5, rows=1_000, deviation=0.1), seeded(rng, seeds=1, rows=1_000, deviation=0.1)
        )
        shown += found.p_value < 0.05
    assert shown <= 12


def test_spread_of_one_and_of_several():
    assert spread([0.5]) == {"mean": 0.5, "deviation": None, "least": 0.5, "greatest": 0.5}
    assert spread([1.0, 3.0])["deviation"] == pytest.approx(2**0.5)
    with pytest.raises(InvalidInputError, match="values"):
        spread([])


@pytest.mark.parametrize("table", [[], [True], [[]]])
def test_a_table_without_seeds_or_images_is_refused(table):
    with pytest.raises(InvalidInputError, match=r"\[S, N\]"):
        rows_interval(table)


def test_rows_of_other_images_are_refused():
    with pytest.raises(InvalidInputError, match="same images"):
        paired_rows([[True]], [[True, False]])


def by_seed(rng, *, seeds: int = 3, rows: int = 300, shift: float = 0.0, deviation: float = 0.0):
    """(correct_base, correct_change) of each seed on images of its own, the change's accuracy 0.8 + `shift`."""
    draws = [(rng.random(rows) < 0.8, rng.random(rows) < 0.8 + shift + deviation * rng.normal()) for _ in range(seeds)]
    return [(base, change) for base, change in draws]


def test_a_change_that_does_nothing_shows_no_difference_and_a_great_one_does(rng):
    shown = [0, 0]
    for _ in range(100):
        nothing, great = paired_over_seeds([by_seed(rng), by_seed(rng, shift=0.15)], distinct=900)
        shown = [shown[0] + (nothing.p_value < 0.05), shown[1] + (great.p_value < 0.05)]
    assert shown[0] <= 5
    assert shown[1] >= 90


def test_seeds_that_agree_are_judged_by_their_images_alone():
    base, change = np.arange(200) >= 20, np.arange(200) >= 5
    (found,) = paired_over_seeds([[(base, change)] * 3], distinct=200)
    assert found.interval == pytest.approx(paired(0, 15, 200).interval)
    (more,) = paired_over_seeds([[(base, change)] * 3], distinct=600)  # as many, on images of their own
    assert more.interval == pytest.approx(paired(0, 45, 600).interval)


def test_identical_runs_show_no_difference_and_their_number_is_corrected_for(rng):
    same = [(base, base) for base, _ in by_seed(rng)]
    found = paired_over_seeds([same, same], distinct=900)
    assert [one.p_value for one in found] == [1, 1]
    assert found[0].interval[0] < 0 < found[0].interval[1]
    change = by_seed(rng, shift=0.06, deviation=0.02)
    (alone,), (together, *_) = (paired_over_seeds([change, *[same] * more], distinct=900) for more in (0, 4))
    assert together.difference == alone.difference
    low, high = together.interval
    assert (low > 0 or high < 0) == (together.p_value < 0.05)


def test_few_seeds_borrow_the_variance_of_the_other_changes_unless_their_own_is_greater():
    rows = np.arange(1_000)

    def change(*points: int):
        return [(rows < 800, rows < 800 + one) for one in points]

    alone, calm = (paired_over_seeds(one, distinct=3_000)[0] for one in ([change(5, 6, 7)], [change(5, 6, 7)] * 4))
    noisy = paired_over_seeds([change(-100, 0, 120), *[change(5, 6, 7)] * 3], distinct=3_000)
    width = [high - low for low, high in (alone.interval, calm.interval, *(one.interval for one in noisy[:2]))]
    assert width[2] > width[3] > width[1]


def test_means_over_seeds_that_show_no_variance_on_few_images_are_not_taken_for_certain():
    low, high = rows_interval([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert low < 0.15
    assert high > 0.4
    found = paired_rows(np.eye(3), np.ones((3, 3)))  # every image is right for one seed of the first
    assert found.interval[0] < 0.2
    assert found.p_value == pytest.approx(2 / 2**7)
