"""Which runs a report shows."""

from types import SimpleNamespace

import pytest

from extract.errors import InvalidInputError
from pipelines.report.study.selection import selected

RECORDS = [SimpleNamespace(run="aa11"), SimpleNamespace(run="bb22")]


def test_without_a_selection_all_runs_are_shown():
    assert selected(RECORDS, None) == RECORDS
    assert selected(RECORDS, "bb,") == RECORDS[1:]


@pytest.mark.parametrize("nothing", [",", "", " , "])
def test_a_selection_of_nothing_is_refused_and_not_taken_for_all(nothing):
    with pytest.raises(InvalidInputError, match="--runs must name runs or FIELD=PATTERN"):
        selected(RECORDS, nothing)
