"""Records are read without trust: what is no record is refused in one sentence, in any other the fields hold."""

import copy
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from extract.runtime.typed_json import ShapeError, plain, typed
from pipelines.workspace import records
from pipelines.workspace.schema import DoneRecord, SplitScores
from tests.pipelines.workspace.test_records import SCORES, record

SPEC = {"weights": {"seed": 1, "sha256": "0"}, "views": "plain", "preprocessing": {"image_size": [8, 8]}}
RECORD = record(
    curves={"training_loss": [1.0, None]},
    features={"spec": SPEC, "digest": "d", "content": "c", "engine": "eager"},
    key={"seed": 0, "options": {"C": 1}, "architecture": {"width": 1}, "recipe_options": {}},
)
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
    from pipelines.tasks.table import row
    from pipelines.workspace import naming

    changed = copy.deepcopy(RECORD)
    *way, last = place
    inside = changed
    for key in way:
        inside = inside[key]
    inside[last] = value
    try:
        found = records.made(changed)
    except InvalidInputError:
        return  # in one sentence; what that says is tested below
    assert isinstance(found, DoneRecord)
    assert 0 <= found.test.interval[0] <= found.test.interval[1] <= 1
    assert 0 <= found.test.accuracy <= 1
    numbers = [one for one in found.seconds.values() if one is not None]
    assert all(math.isfinite(one) for one in [*numbers, found.cost_seconds or 0.0])
    assert all(len(line) == len(found.test.confusion) for line in found.test.confusion)
    assert row(found)["run"] == found.run
    assert naming.names([found, found])


def test_a_record_is_written_as_it_was_given():
    given_record = {**RECORD, "schema": 3, "status": "done", "created": "x", "error": None}
    given_record["choice"] = {**given_record["choice"], "kept_epoch": None, "kept_by": None}
    unknown = dict.fromkeys(("test_scaled", "images_per_second", "peak_memory_bytes"))
    given_record["test"] = {**SCORES, "interval": (0.2, 0.8)}
    assert plain(records.made(RECORD | {"created": "x"})) == given_record | unknown


def test_the_cost_of_a_head_whose_extraction_is_not_known_is_not_known():
    seconds = {"extraction": None, "search": 1.0, "fit": 2.0}
    head, network = (records.made({**RECORD, "kind": kind, "seconds": seconds}) for kind in ("head", "network"))
    assert head.cost_seconds is None
    assert network.cost_seconds == 3.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": 0}, "its test.rows is 0, not a whole number >= 1"),
        ({"interval": [0.1]}, "its test.interval is [0.1], not a list of length 2"),
        ({"interval": [0.2, "x"]}, "its test.interval is 'x', not a finite number"),
        ({"interval": [0.8, 0.2]}, "test: its interval ends before it begins"),
        ({"confusion": [[1, 2]]}, "test: its confusion matrix is not square"),
        ({"confusion": 5}, "its test.confusion is 5, not a list"),
        ({"accuracy": True}, "its test.accuracy is True, not a finite number"),
        ({"accuracy": float("inf")}, "its test.accuracy is inf, not a finite number <= 1.0"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change, sentence):
    with pytest.raises(ShapeError) as raised:
        typed({**SCORES, **change}, SplitScores, name="test")
    assert str(raised.value) == sentence
    with pytest.raises(ShapeError, match=r"it lacks test\.rows"):
        typed({"log_loss": 1.0, "calibration_error": None, "calibration_limit": None}, SplitScores, name="test")
