"""Spaces of the heads in closed form."""

import pytest

from extract.errors import InvalidInputError
from heads.kernel.space import ALPHA_GRID, KernelSpace, RidgeSpace


def test_penalties_are_tried_from_the_most_regularized_on_and_each_once():
    assert RidgeSpace(alpha_grid=(1, 10, 1.0)).alpha_grid == (10.0, 1.0)
    assert RidgeSpace().alpha_grid == tuple(sorted(ALPHA_GRID, reverse=True))


def test_one_penalty_stands_for_a_grid_of_one():
    space = RidgeSpace(alpha=3.0)
    assert space.alpha_grid == (3.0,)
    assert space.single() == {"alpha": 3.0, "temperature": None}


def test_a_kernel_tries_every_bandwidth_with_every_penalty():
    assert KernelSpace(bandwidths=(0.5, 1.0), alpha_grid=(0.1, 1.0, 10.0)).count() == 6


@pytest.mark.parametrize("changes", [{"bandwidths": (0.0,)}, {"alpha_grid": (-1.0,)}, {"search_rows": 0}])
def test_what_cannot_be_tried_is_refused(changes):
    with pytest.raises(InvalidInputError):
        KernelSpace(**changes)
