"""What a search may vary: the entries that are understood, and the sentence for each that is not."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from extract.runtime.options import option, options_of
from pipelines.search.journal import Journal, TrialState
from pipelines.search.space import Choices, Range, as_json, parse
from pipelines.studies import yaml_file

REFUSED = [
    ({"low": 2, "high": 1}, "low at most high"),
    ({"low": 0, "high": 1, "log": True}, "above 0 where log is true"),
    ({"low": -1, "high": 1, "log": True}, "above 0 where log is true"),
    ({"low": 1, "high": 8, "log": True, "step": 2}, "log or step, not both"),
    ({"low": 1, "high": 8, "step": 0}, "a step above 0"),
    ({"low": 1, "high": 8, "step": 9}, "a step above 0 that fits"),
    ({"low": 0.5, "high": 8, "int": True}, "whole numbers where int is true"),
    ({"low": 1}, "high of the search option x must be a number; got none"),
    ({"low": "a", "high": 2}, "low of the search option x must be a number; got a"),
    ({"low": True, "high": 2}, "must be a number; got true"),
    ({"low": 0, "high": float("inf")}, "must be a number; got inf"),
    ({"low": 1, "high": 2, "log": "yes please"}, "log of the search option x must be true or false"),
    ({"low": 1, "hihg": 2}, "Nearest: high"),
    ([], "at least one choice"),
    ([1, 2, 1], "each once"),
    ([{"a": 1}], "numbers, words or lists"),
    ([float("nan")], "finite"),
    (3, "a list of choices or {low, high}"),
    (None, "a list of choices or {low, high}"),
]


@pytest.mark.parametrize(("entry", "sentence"), REFUSED)
def test_a_contradiction_is_refused_in_one_sentence_that_names_the_option(entry, sentence):
    with pytest.raises(InvalidInputError) as caught:
        parse({"x": entry}, what="the mlp head")
    assert sentence in str(caught.value)
    assert "x" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [None, {}, [], "learning_rate", 7])
def test_what_is_no_space_is_refused(raw):
    with pytest.raises(InvalidInputError, match="must be a mapping"):
        parse(raw, what="the mlp head")


def test_each_form_is_read_as_it_says():
    space = parse(
        {
            "a": {"low": "1e-4", "high": 0.1, "log": True},
            "depth": {"low": 2, "high": 8, "step": 2},
            "c": ["sgd", "adamw", None, True, 1],
            "weight-decay": {"low": 0, "high": 1, "int": False},
            "sizes": [16, [32, 16]],
        },
        what="the mlp head",
    )
    assert space["a"] == Range(1e-4, 0.1, log=True)
    assert space["depth"] == Range(2, 8, step=2, integer=True)
    assert space["c"] == Choices(("sgd", "adamw", None, True, 1))
    assert space["weight_decay"] == Range(0, 1)
    assert space["sizes"] == Choices((16, (32, 16)))


numbers = st.floats(1e-6, 1e6).map(lambda value: round(value, 9))
ranges = st.one_of(
    st.builds(
        lambda low, width, log: {"low": low, "high": low + width, "log": log},
        numbers,
        st.floats(0, 1e3),
        st.booleans(),
    ),
    st.builds(
        lambda low, width, step: {"low": low, "high": low + width, "step": step},
        st.integers(-50, 50),
        st.integers(5, 40),
        st.integers(1, 5),
    ),
)
choices = st.lists(
    st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)),
    min_size=1,
    max_size=4,
    unique_by=json.dumps,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), st.one_of(ranges, choices), min_size=1, max_size=3))
def test_the_full_form_of_a_space_is_the_same_space(raw):
    space = parse(raw, what="x")
    full = json.loads(json.dumps(as_json(space)))
    assert as_json(parse(full, what="x")) == as_json(space)


def test_what_is_drawn_lies_in_the_space(tmp_path):
    raw = {
        "a": {"low": 1e-4, "high": 0.1, "log": True},
        "b": {"low": 2, "high": 9, "step": 3},
        "c": [None, "1", 1, [2, 3]],
        "d": {"low": 0.0, "high": 1.0, "step": 0.4},
        "e": [5],
    }
    journal = Journal(tmp_path, name="n", space=parse(raw, what="x"), seed=0)
    drawn = []
    for _ in range(30):
        trial = journal.next(30)
        assert trial is not None
        drawn.append(journal.options(trial))
        journal.end(trial, TrialState.COMPLETE, 0.5)
    assert journal.next(30) is None
    assert all(1e-4 <= one["a"] <= 0.1 for one in drawn)
    assert min(one["a"] for one in drawn) < 1e-3  # the lower third of the log scale is not a hundredth of the draws
    assert {one["b"] for one in drawn} == {2, 5, 8}
    assert {str(one["c"]) for one in drawn} == {"None", "1", "(2, 3)"}
    assert {type(one["c"]) for one in drawn} == {type(None), str, int, tuple}
    assert all(
        one["d"] == pytest.approx(0) or one["d"] == pytest.approx(0.4) or one["d"] == pytest.approx(0.8)
        for one in drawn
    )
    assert {one["e"] for one in drawn} == {5}


@dataclass
class Known:
    a: float = option(0.0, "")
    b: bool = option(False, "")
    c: float | None = option(None, "")
    d: str = option("", "")
    n: int | None = option(None, "")
    s: tuple[int | tuple[int, ...], ...] = option((), "")


def test_a_file_is_read_as_the_options_want_it():
    text = "a: [064, 1.0e5, 1]\nb: [no, yes]\nc: {low: 1, high: 10}\nd: [no, 12]\nn: {low: 1, high: 10}\n"
    text += "s: [[512, 128], 64]"
    entries = yaml_file.parse(text, name="space.yaml")
    space = parse(yaml_file.plain(entries), what="x", known=options_of(Known))
    assert space["a"] == Choices((64.0, 1e5, 1.0))
    assert space["b"] == Choices((False, True))
    assert space["c"] == Range(1.0, 10.0)
    assert not space["c"].integer
    assert space["d"] == Choices(("no", "12"))
    assert space["n"] == Range(1, 10, integer=True)
    assert space["s"] == Choices(((512, 128), 64))
    with pytest.raises(InvalidInputError, match="choices of a must be a number; got 'no'"):
        parse({"a": ["no"]}, what="x", known=options_of(Known))
