"""Errors say what must be, what came, and what to do."""

import pytest

from extract.errors import InvalidInputError, TransferBenchError, nearest, sentence, unknown


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet5", "resnet50"), ("RESNET-50", "resnet50"), ("denset121", "densenet121")],
)
def test_the_nearest_names_are_named(name, near):
    assert near in nearest(name, ["resnet50", "densenet121", "vgg16"])


def test_up_to_twenty_names_are_listed_where_none_is_near():
    known = [f"name-{index:02d}" for index in range(21)]
    assert nearest("xyz", known[:20]) == f"Known: {', '.join(known[:20])}."
    assert nearest("xyz", known) == "21 names are known."


def test_an_unknown_name_is_the_users_mistake_and_says_what_is_known():
    error = unknown("head", name="logstic", known=["logistic", "mlp"], remedy="`pipeline fit-head --help` lists them.")
    assert isinstance(error, InvalidInputError)
    assert error.exit_code == 2
    assert str(error).startswith("unknown head 'logstic'. Nearest: logistic")
    assert str(error).endswith("`pipeline fit-head --help` lists them.")


def test_an_own_error_is_its_own_sentence_and_another_says_where_it_was_raised():
    assert sentence(TransferBenchError("disk must have room; got none.")) == "disk must have room; got none."
    try:
        {}["missing"]
    except KeyError as error:
        said = sentence(error)
    assert said.startswith("unexpected failure at test_errors.py:")
    assert said.endswith("'missing'")
