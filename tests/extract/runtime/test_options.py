"""Options declared on dataclass fields: one reader, one check, one sentence for what is refused."""

from dataclasses import dataclass

import pytest

from extract.errors import InvalidInputError
from extract.runtime.options import check, known, option, options_of


@dataclass(frozen=True)
class Recipe:
    epochs: int = option(10, "Passes over the training images.", low=1)
    warmup: float = option(0.0, "Share of the steps.", low=0, below=1)
    optimizer: str = option("sgd", "Optimizer.", choices=("sgd", "adamw"))
    patience: int | None = option(None, "Epochs after which to stop.", low=1)
    grid: tuple[float, ...] = option((0.1,), "Rates to try.", above=0)
    sizes: tuple[int | tuple[int, ...], ...] = option((256,), "Widths to try.", low=1)
    nesterov: bool = option(False, "Nesterov momentum.")
    name: str = "no option"

    def __post_init__(self) -> None:
        check(self)


def test_options_are_the_fields_that_declare_help_in_their_order():
    assert list(options_of(Recipe)) == ["epochs", "warmup", "optimizer", "patience", "grid", "sizes", "nesterov"]
    declared = options_of(Recipe)["epochs"]
    assert (declared.default, declared.help, declared.kinds) == (10, "Passes over the training images.", (int,))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "3", 3),
        ("warmup", "0", 0.0),
        ("optimizer", "adamw", "adamw"),
        ("patience", "none", None),
        ("patience", "5", 5),
        ("grid", "0.1,1", (0.1, 1.0)),
        ("sizes", "256,128x64", (256, (128, 64))),
        ("nesterov", "yes", True),
    ],
)
def test_a_text_is_read_as_the_field_holds_it(name, text, value):
    assert options_of(Recipe)[name].read(text) == value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 0, "epochs must be a whole number from 1; got 0"),
        ("epochs", "many", "epochs must be a whole number from 1; got 'many'"),
        ("epochs", True, "epochs must be a whole number from 1; got True"),
        ("warmup", 1.0, "warmup must be a number from 0 to below 1; got 1.0"),
        ("warmup", float("nan"), "warmup must be a number from 0 to below 1; got nan"),
        ("optimizer", "sdg", "unknown optimizer 'sdg'. Nearest: sgd"),
        ("grid", "0.1,0", "grid must be a number above 0, or several with commas between; got 0"),
        ("grid", (), "grid must be at least one value; got none"),
    ],
)
def test_what_is_none_of_its_type_range_or_choices_is_refused_in_one_sentence(name, value, said):
    with pytest.raises(InvalidInputError) as refused:
        options_of(Recipe)[name].read(value)
    assert str(refused.value).startswith(said)


def test_an_instance_is_checked_when_it_is_made():
    with pytest.raises(InvalidInputError, match="epochs must be"):
        Recipe(epochs=-1)


def test_an_unknown_name_comes_with_the_nearest():
    known("epochs", options_of(Recipe))
    with pytest.raises(InvalidInputError, match=r"unknown option 'epoch'\. Nearest: epochs"):
        known("epoch", options_of(Recipe))
