"""Spaces: how many candidates, the one head without a choice, and the defaults among what is tried."""

import math

import pytest

from extract.errors import InvalidInputError
from heads import registry
from heads.space import nearest_in


@pytest.mark.parametrize("kind", registry.kinds())
def test_candidates_are_the_combinations_of_the_grids_and_the_defaults_make_a_head(kind):
    space = registry.space(kind, {})
    assert space.count() >= 1
    assert set(space.grids) <= set(type(space).__dataclass_fields__)
    head = space.head(space.defaults(), seed=0, device="cpu")
    assert head.kind == kind


@pytest.mark.parametrize("kind", registry.kinds())
def test_several_candidates_without_validation_images_are_refused_by_name(kind):
    space = registry.space(kind, {})
    if math.prod(len(getattr(space, name)) for name in space.grids) == 1:
        assert space.single()
        return
    with pytest.raises(InvalidInputError, match="without validation images"):
        space.single()


def test_the_nearest_is_by_ratio_and_of_equals_the_first():
    assert nearest_in([1.0, 10.0, 100.0], 12.0) == 10.0
    assert nearest_in([1.0, 100.0], 10.0) == 1.0


@pytest.mark.parametrize("kind", registry.kinds())
def test_more_rows_never_cost_less_and_only_some_heads_cost_more_than_in_proportion(kind):
    space = registry.space(kind, {})
    costs = [space.operations(rows, scored=100, width=64, classes=10) for rows in (1000, 2000, 4000, 8000, 16000)]
    assert costs == sorted(costs)
    assert (costs[3] > 2.1 * costs[2]) == (kind in ("kernel", "knn"))
