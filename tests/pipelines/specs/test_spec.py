"""What specs and keys have in common."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from extract.errors import InvalidInputError
from extract.runtime.options import option
from pipelines.specs.spec import Key, Spec, validation_part


@dataclass(frozen=True)
class Small(Spec):
    epochs: int = option(3, "Passes.", low=1)
    grid: tuple[float, ...] = option((0.1,), "Rates.", above=0)


@dataclass(frozen=True, kw_only=True)
class SmallKey(Key):
    UNSAID: ClassVar = {"processes": 1}
    name: str
    processes: int = 1


def test_options_may_be_text_and_none_leaves_one_out():
    assert Small.of({"epochs": "5", "grid": "0.1,1"}) == Small(5, (0.1, 1.0))
    assert Small.of({"epochs": None}).epochs == 3
    assert Small.of(Small(5).as_dict()) == Small(5)


def test_an_option_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(InvalidInputError, match="epoch"):
        Small.of({"epoch": 5})


def test_a_key_has_one_text_comes_back_from_it_and_names_the_run():
    key = SmallKey(stage_version=1, name="a")
    assert "processes" not in key.text()
    assert SmallKey.from_text(key.text()) == key
    assert SmallKey(stage_version=2, name="a").run() != key.run()
    assert len(key.run()) == 12


@pytest.mark.parametrize(("given", "part"), [("none", None), (0.2, 0.2), (100, 100)])
def test_a_validation_split_is_a_share_a_count_or_none(given, part):
    assert validation_part(given) == part


@pytest.mark.parametrize("given", [0, 1.0, -0.1, "some", 0.0])
def test_an_impossible_one_is_refused(given):
    with pytest.raises(InvalidInputError, match="validation must be"):
        validation_part(given)
