"""Heads by name."""

import pytest

from extract.errors import InvalidInputError
from heads.registry import space
from tests.heads.every_kind import ONE, every_head


@every_head
def test_an_unknown_option_is_refused_with_the_nearest(kind):
    known = next(iter(ONE[kind]))
    with pytest.raises(InvalidInputError, match=known.replace("_", "-")):
        space(kind, {known + "x": 1})
