"""Heads by name."""

import typing

import numpy as np
import pytest

from extract.errors import InvalidInputError
from heads.protocol import fit_head
from heads.registry import space
from tests.heads.every_kind import ONE, every_head


@every_head
def test_an_unknown_option_is_refused_with_the_nearest(kind):
    known = next(iter(ONE[kind]))
    with pytest.raises(InvalidInputError, match=known.replace("_", "-")):
        space(kind, {known + "x": 1})


def test_an_array_of_numpy_is_a_grid():
    made = space("logistic", {"c_grid": np.logspace(-2, 0, 3)})
    assert made == space("logistic", {"c_grid": [0.01, 0.1, 1.0]})
    assert space("logistic", {"C": np.float64(0.1)}).C == 0.1


def test_the_types_of_options_are_whole():
    """A user whose types are checked strictly is not told that a list is of nothing known."""
    for function, name in ((fit_head, "options"), (space, "given")):
        assert not {list, dict, tuple} & set(_parts(function.__annotations__[name]))


def _parts(hint):
    yield hint
    for part in typing.get_args(hint):
        yield from _parts(part)
