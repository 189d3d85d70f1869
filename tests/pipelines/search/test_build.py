"""Options by name become a subject and a search."""

import json

import pytest

from pipelines.search import HeadSubject, SearchSpec, search
from pipelines.specs import HeadSpec
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.search.small import WORDS


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"dropuot": [0.1]}, "unknown option to search 'dropuot' of the mlp head. Nearest: dropout"),
        ({"optimizer": ["sgd", "adamm"]}, "search option optimizer must allow adamm"),
        ({"dropout": {"low": 0, "high": 2}}, "search option dropout must allow 2"),
        ({"epochs": {"low": 0, "high": 3}}, "search option epochs must allow 0"),
    ],
)
def test_what_can_never_be_right_is_refused_before_any_trial(pipeline, workspace, space_file, space, sentence):
    space_file.write_text(json.dumps(space))
    ended = pipeline("search", "--head", "mlp", space_file, *WORDS)
    assert ended.status == 2
    assert sentence in ended.err
    assert ended.err.count("\n") == 1
    assert not (workspace / "searches").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--trials", 0), "trials must be a whole number from 1; got 0"),
        (("--timeout", -1), "timeout must be a number above 0, or none; got -1"),
        (("--name", "a/b"), "name of a search must be"),
        (("--validation", "none"), "validation must leave images"),
        (("--option", "C=1"), "C must be searched or given, not both"),
        (
            ("--network", "resnet20", "--head", "mlp"),
            "search must be of a head or of a network; got 'mlp' and 'resnet20'",
        ),
        (("--head", "mpl"), "'mpl'. Nearest: mlp"),
        (("--head", "mlp", "--optimizer", "muon"), "error: unknown optimizer 'muon'"),
        (("--head", "mlp", "--dropout", 3), "error: dropout must be"),
        (("--criterion", "macro_f1"), "criterion must be accuracy, by which a search ranks its trials; got macro_f1"),
        (("--width", 2), "unknown option 'width' of a search over a head"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_sentence(pipeline, workspace, space_file, words, sentence):
    ended = pipeline("search", space_file, *WORDS, *words)
    assert ended.status == 2
    assert sentence in ended.err


def test_a_given_option_that_is_refused_costs_no_extraction(pipeline, workspace):
    kept = list((workspace / "features").iterdir())
    pipeline("search", "--head", "mlp", "--dropout", 3, *WORDS, "--image-size", 64)
    assert list((workspace / "features").iterdir()) == kept


def test_given_options_stay_fixed_and_leave_the_usual_space(workspace, features):
    subject = HeadSubject(
        HeadSpec.of(head="mlp", sizes=[8], epochs=2, dropout=0.1, option=("copies=1", "batch_size=128")),
        features=lambda: features,
    )
    found = search(subject, SearchSpec(trials=2), Context(workspace))
    assert {"sizes", "dropout", "batch_size"}.isdisjoint(found["best"]["params"])
    assert "learning_rates" in found["best"]["params"]
    assert records.read(workspace, found["best_run"]).chosen["hidden"] == [8]
