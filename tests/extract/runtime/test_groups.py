"""Splits of whole groups: none is ever torn, every class keeps rows, and the sizes are about those asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from extract.runtime.groups import one_of_each, split_off, together

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=120)


@settings(max_examples=300)
@given(ROWS, st.floats(0.01, 0.9), st.integers(0, 99))
def test_no_group_is_torn_and_every_class_keeps_a_row_whatever_the_sizes(rows, share, seed):
    labels, groups = np.array(rows).T
    labels = np.unique(labels, return_inverse=True)[1]
    quotas = np.ceil(np.bincount(labels) * share).astype(int)
    alone = [set(groups[labels == k]) for k in range(len(quotas))]
    possible = any(all(one != {group} for one in alone) for group in set(groups))
    if not possible:
        with pytest.raises(InvalidInputError, match="this split must leave every class images of another group"):
            split_off(labels, groups, quotas, seed=seed, what="this split")
        return
    taken = split_off(labels, groups, quotas, seed=seed, what="this split")
    kept = np.setdiff1d(np.arange(len(labels)), taken)
    assert len(taken) > 0
    assert not set(groups[taken]) & set(groups[kept])
    assert set(labels[kept]) == set(labels)
    names = np.array([f"patient {group}" for group in groups])  # groups are known by which rows share them, in order
    np.testing.assert_array_equal(split_off(labels, names, quotas, seed=seed, what="this split"), taken)


@pytest.mark.parametrize("group_rows", [1, 3, 20])
def test_sizes_are_about_those_asked_for(group_rows):
    labels = np.repeat(np.arange(5), 600)
    groups = np.arange(3000) // group_rows
    for seed in range(5):
        taken = split_off(labels, groups, np.full(5, 60), seed=seed, what="this split")
        assert np.abs(np.bincount(labels[taken]) - 60).max() < group_rows
    mixed = np.random.default_rng(0).permutation(groups)
    taken = split_off(labels, mixed, np.full(5, 60), seed=0, what="this split")
    assert abs(len(taken) - 300) <= max(group_rows, 9)
    assert np.abs(np.bincount(labels[taken], minlength=5) - 60).max() <= 2 * group_rows


def test_a_class_of_one_group_stays_whole_and_others_are_split():
    labels, groups = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([7, 7, 7, 1, 1, 2, 2])
    assert set(groups[split_off(labels, groups, np.array([1, 1]), seed=0, what="this split")]) < {1, 2}


@given(ROWS)
def test_rows_are_together_that_any_partition_has_together(rows):
    first, second = np.array(rows).T
    found = together(first, second)
    for one in (first, second):
        assert all(len(set(found[one == value])) == 1 for value in set(one))
    for number in set(found):  # and no more: what leaves a group through neither partition ends it
        inside = found == number
        assert not set(first[inside]) & set(first[~inside])
        start = np.flatnonzero(inside)[0]
        reached = np.arange(len(found)) == start
        for _ in found:
            reached = np.isin(first, first[reached]) | np.isin(second, second[reached])
        np.testing.assert_array_equal(reached, inside)


def test_one_row_of_each_group_and_class():
    rows = one_of_each(np.array([0, 0, 1, 1, 1]), np.array([5, 5, 5, 6, 6]))
    assert rows.tolist() == [0, 2, 3]
