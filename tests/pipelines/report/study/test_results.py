"""Records are read without trust: whatever a file holds, a report comes out."""

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from pipelines.report.study.results import parse

RECORD = {
    "run": "0123456789ab",
    "kind": "network",
    "mode": "scratch",
    "name": "resnet20 from scratch",
    "architecture": "resnet20",
    "weights": "none",
    "dataset": {"name": "digits", "digest": "d", "subset": None, "test_subset": None, "seed": None},
    "seed": 0,
    "choice": {"training_rows": 90, "validation_rows": 10, "refitted": False},
    "class_names": ["a", "b"],
    "test": {
        "rows": 10,
        "accuracy": 0.8,
        "interval": [0.6, 1.0],
        "log_loss": 0.5,
        "calibration_error": 0.1,
        "calibration_limit": 0.2,
        "confusion": [[4, 1], [1, 4]],
    },
    "curves": {"training_loss": [1.0, 0.5], "validation_loss": [1.1, 0.7]},
    "seconds": {"extraction": 0.0, "search": 1.0, "fit": 2.0, "evaluation": 0.1},
    "parameters": 10,
    "flops": 20,
    "bytes": 40,
    "key": {"seed": 0},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Every place in a JSON value, as a path."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


@settings(max_examples=300)
@given(place=st.sampled_from(places(RECORD)[1:]), value=JSON)
def test_any_value_anywhere_gives_finite_numbers_or_one_sentence(place, value):
    record = copy.deepcopy(RECORD)
    *way, last = place
    inside = record
    for key in way:
        inside = inside[key]
    inside[last] = value
    try:
        result, _ = parse(record)
    except InvalidInputError:
        return  # refused in one sentence; what that says is tested below
    assert 0 <= result.test.accuracy <= 1
    assert result.test.interval[0] <= result.test.interval[1]
    numbers = [*result.seconds.values(), *(one for curve in result.curves.values() for one in curve if one is not None)]
    assert all(math.isfinite(one) for one in numbers)
    matrix = result.test.confusion
    assert matrix is None or all(len(row) == len(matrix) for row in matrix)


def test_a_whole_record_loses_nothing():
    result, problems = parse(json.loads(json.dumps(RECORD)))
    assert problems == []
    assert result.test.confusion == ((4, 1), (1, 4))
    assert result.cost_seconds == 3.0
    assert (result.training_rows, result.validation_rows, result.refitted) == (90, 10, False)


def test_the_cost_of_a_head_whose_extraction_is_not_known_is_not_known():
    seconds = {"extraction": None, "search": 1.0, "fit": 2.0}
    head, problems = parse({**RECORD, "kind": "head", "mode": "frozen", "seconds": seconds})
    assert head.cost_seconds is None
    assert problems == []


@pytest.mark.parametrize(("part", "value"), [("curves", [1, 2]), ("parameters", "many"), ("class_names", "ab")])
def test_a_part_of_another_shape_is_left_out_and_named(part, value):
    result, problems = parse({**RECORD, part: value})
    assert result.run == RECORD["run"]
    assert len(problems) == 1
    assert part in problems[0]


@pytest.mark.parametrize("part", ["run", "mode", "name", "dataset", "test", "seed"])
def test_a_run_without_what_it_needs_is_refused_by_name(part):
    with pytest.raises(InvalidInputError, match=f"{part} must be as a record holds it"):
        parse({**RECORD, part: None})
