"""Values read as JSON: what a type declares is returned, everything else is refused with its place."""

import json
from typing import Annotated, Literal, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from extract.runtime.typed_json import LARGEST, Count, Number, Seconds, Sha256, ShapeError, Share, plain, typed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), LARGEST) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Score(Struct, frozen=True):
    """A part of the object below."""

    rows: Count
    accuracy: Share


class Result(Struct, frozen=True, kw_only=True):
    """An object with one member of each kind."""

    run: str
    test: Score
    seconds: dict[str, Seconds]
    losses: list[Number | None]
    mode: Literal["full", "frozen"] = "full"
    digest: Sha256 | None = None


class Point(TypedDict):
    """An object as a dictionary."""

    x: Annotated[int, Meta(ge=0)]


VALID = {"run": "a", "test": {"rows": 3, "accuracy": 0.5}, "seconds": {"fit": 1.0}, "losses": [0.25, None]}
RESULTS = st.builds(
    Result,
    run=st.text(),
    test=st.builds(Score, rows=st.integers(0, LARGEST), accuracy=st.floats(0, 1)),
    seconds=st.dictionaries(st.text(), st.floats(0, 1e12), max_size=3),
    losses=st.lists(st.none() | st.floats(-1e300, 1e300), max_size=3),
    mode=st.sampled_from(["full", "frozen"]),
    digest=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
)


def refusal(value: object, kind: type) -> str | None:
    """What is said against `value` as `kind`; None where it is one."""
    try:
        typed(value, kind, name="thing")
    except ShapeError as error:
        return str(error)
    return None


@given(RESULTS)
def test_a_value_survives_json(result: Result) -> None:
    """Written as JSON and read again, an object is equal to what it was."""
    assert typed(json.loads(json.dumps(plain(result))), Result) == result


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    """There is no third way: what is no object of the type raises `ShapeError` with a sentence on one line."""
    for kind in (Result, Score, Point, Count, Sha256):
        sentence = refusal(value, kind)
        assert sentence is None or ("thing" in sentence and len(sentence.splitlines()) == 1)


@given(st.sampled_from(sorted(VALID)))
def test_a_missing_name_is_said(name: str) -> None:
    """The sentence names what is missing, behind the place of the object in its file."""
    lacking = {key: value for key, value in VALID.items() if key != name}
    with pytest.raises(ShapeError, match=rf"^it lacks {name}$"):
        typed(lacking, Result)
    with pytest.raises(ShapeError, match=rf"^it lacks outer\.{name}$"):
        typed(lacking, Result, name="outer")


def test_further_names_are_ignored() -> None:
    """A file of a later version may hold more."""
    assert typed({**VALID, "later": [1]}, Result) == typed(VALID, Result)
    assert typed({"x": 1, "later": 2}, Point) == {"x": 1}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"test": {"rows": -1, "accuracy": 0.5}}, "its test.rows is -1, not a whole number >= 0"),
        ({"test": {"rows": True, "accuracy": 0.5}}, "its test.rows is True, not a whole number"),
        ({"test": {"rows": 1, "accuracy": 1.5}}, "its test.accuracy is 1.5, not a finite number <= 1.0"),
        ({"run": 3}, "its run is 3, not a text"),
        ({"losses": [0.5, "x"]}, "its losses is 'x', not a finite number or null"),
        ({"losses": {}}, "its losses is {}, not a list"),
        ({"seconds": {"fit": -1}}, "its seconds is"),
        ({"mode": "fast"}, "its mode is 'fast', not one of those known"),
        ({"digest": "0" * 63}, "its digest is '000"),
    ],
)
def test_a_wrong_value_is_named(changed: dict[str, object], sentence: str) -> None:
    """The sentence says where the value is, what it is, and what it must be, in plain words."""
    with pytest.raises(ShapeError) as raised:
        typed({**VALID, **changed}, Result)
    assert str(raised.value).startswith(sentence)


def test_a_long_value_is_cut() -> None:
    """A sentence stays short whatever stands in the file."""
    with pytest.raises(ShapeError) as raised:
        typed({**VALID, "test": "x" * 1000}, Result)
    assert len(str(raised.value)) < 120
    assert "..." in str(raised.value)
