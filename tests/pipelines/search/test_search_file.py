"""A search in a file: a space alone, or a study's section over its defaults, each value read by its type."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from extract.errors import InvalidInputError, TransferBenchError
from pipelines.search import build, read
from pipelines.search.space import Range, parse
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.fitting import UNTRAINED

README = """
defaults: {dataset: my_photos/, weights: packaged, learning-rate: 0.1}
jobs:
  - {command: fit-head, backbone: tf_efficientnet_lite0}
  - {command: finetune, network: tf_efficientnet_lite0}
search: {head: mlp, trials: 30, backbone: tf_efficientnet_lite0, space: {dropout: [0.0, 0.3]}}
"""


@pytest.fixture
def written(tmp_path):
    """What a search file of this text says."""

    def reads(text: str):
        (tmp_path / "study.yaml").write_text(text)
        return read(tmp_path / "study.yaml")

    return reads


def test_a_file_is_a_space_or_a_study_with_a_search_section(written):
    plain = written("learning_rate: {low: 1e-4, high: 1, log: true}\n")
    assert parse(plain.entries, what="x")["learning_rate"] == Range(1e-4, 1, log=True)
    assert plain.options({}) == {}
    study = written("name: s\njobs: []\nsearch:\n  head: mlp\n  space: {dropout: [0.1, 0.2]}\n")
    assert (study.entries, study.options({})) == ({"dropout": [0.1, 0.2]}, {"head": "mlp"})
    for bad in ("a: [1", "a: [1]\na: [2]\n", "a: {low: 1, low: 2, high: 3}"):
        with pytest.raises(InvalidInputError, match=r"study.yaml:\d+:\d+: (search file|key of)"):
            written(bad)


def test_the_defaults_of_the_study_hold_for_its_search_as_for_its_jobs(written):
    assert written(README).options({}) == {
        "head": "mlp",
        "trials": 30,
        "backbone": "tf_efficientnet_lite0",
        "dataset": "my_photos/",
        "weights": "packaged",
    }
    assert written(README).options({"dataset": "digits"})["dataset"] == "digits"
    assert "dataset" not in written(README).options({"features": "file.h5"})


def test_a_network_that_starts_from_nothing_inherits_no_weights(written):
    text = "defaults: {weights: packaged, epochs: 2}\nsearch: {network: resnet20, space: {learning-rate: [0.1]}"
    assert written(text + "}").options({}) == {"network": "resnet20", "epochs": 2}
    assert written(text + ", mode: scratch}").options({}) == {"network": "resnet20", "epochs": 2, "mode": "scratch"}
    assert written(text + ", mode: full}").options({})["weights"] == "packaged"


def test_a_default_gives_way_to_a_space_that_varies_it_and_must_be_one_value(written):
    text = "defaults: {epochs: 2, seed: [0, 1]}\nsearch: {network: resnet20, space: {epochs: [1, 2]}"
    assert written(text + ", seed: 4}").options({}) == {"network": "resnet20", "seed": 4}
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:23: default seed must be one value for a search; got 2"):
        written(text + "}").options({})
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:12: unknown option 'epocs' of a study"):
        written("defaults: {epocs: 2}\nsearch: {head: mlp}")


def test_a_default_that_only_the_search_has_is_no_mistake():
    from pipelines.studies import study_file

    text = "defaults: {dropout: 0.2}\njobs: [{command: extract}]\n"
    with pytest.raises(InvalidInputError, match="'dropout' applies to none"):
        study_file.parse(text)
    assert study_file.parse(text + "search: {head: mlp}").jobs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'search: {network: resnet20, trials: "two"}',
            "study.yaml:1:37: trials must be a whole number from 1; got 'two'",
        ),
        (
            "search: {head: mlp, timeout: soon}",
            "study.yaml:1:30: timeout must be a number above 0, or none; got 'soon'",
        ),
        (
            "search: {head: mlp, subset: many}",
            "study.yaml:1:29: subset must be a whole number from 1, or none; got 'many'",
        ),
        ("search: {network: resnet20, epochs: [1, 2]}", "study.yaml:1:37: epochs must be one value; got a list"),
        (
            "search: {network: resnet20, depht: 14}",
            "study.yaml:1:29: unknown option 'depht' of a search over a network. Nearest: depth",
        ),
        ("search: {network: resnet20, depth: fourteen}", "study.yaml:1:36: depth must be a whole number"),
        ("search: {head: mlp, batch-size: 5, batch_size: 6}", "study.yaml:1:36: option must stand once"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(written, text, sentence):
    with pytest.raises(InvalidInputError) as refused:
        written(text).options({})
    assert sentence in str(refused.value)


def test_values_are_read_by_the_type_that_what_is_searched_wants(written):
    network = 'search: {network: resnet20, subset: "200", timeout: 3, learning-rate: 1e-3, batch-size: 50}'
    assert written(network).options({}) == {
        "network": "resnet20",
        "subset": 200,
        "timeout": 3.0,
        "learning_rate": 1e-3,
        "batch_size": 50,
    }
    head = "search: {head: mlp, batch-size: 50, sizes: [64, [64, 32]], option: copies=1, validation: 0.10}"
    assert written(head).options({}) == {
        "head": "mlp",
        "batch_size": 50,
        "sizes": (64, (64, 32)),
        "option": ("copies=1",),
        "validation": 0.1,
    }
    assert written("search: {batch-size: 50, space: {}}").options({"network": "resnet20"})["batch_size"] == 50


def test_a_head_on_an_own_run_is_on_the_network_that_it_trained(tmp_path, monkeypatch):
    known = SimpleNamespace(run="0123456789ab", kind="network", architecture="resnet8")
    monkeypatch.setattr(records, "read", lambda *_: known)
    asked = []
    monkeypatch.setattr(
        "pipelines.tasks.extract.extract",
        lambda spec, _: asked.append(spec) or SimpleNamespace(path=Path("features.h5")),
    )
    given = {"head": "logistic", "dataset": "digits", "weights": "0123456789ab"}
    with pytest.raises(TransferBenchError, match=r"features.h5"):
        build(given, entries=None, context=Context(tmp_path))[0].key()
    assert asked[0].backbone == "resnet8"


def test_a_batch_size_beside_a_search_of_the_heads_is_said_to_be_the_extractions(tmp_path, monkeypatch):
    told = []
    context = Context(tmp_path, notice=told.append)
    monkeypatch.setattr(import_module("pipelines.search.build"), "_head", lambda *_: Usual())
    for entries in (None, {"batch-size": [64, 128]}, {"dropout": [0.1]}):
        build({"head": "mlp", "batch_size": "64"}, entries=entries, context=context)
        build({"head": "mlp"}, entries=entries, context=context)
    expected = "batch size 64 is the extraction's; the head's is searched (--option batch_size=N fixes it)"
    assert told == [expected, expected]


class Usual:
    """A subject of which only the built-in space is asked."""

    def default_space(self) -> dict:
        return {"batch_size": [64], "dropout": [0.1]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rates: [0.1]\ndropuot: [1]\n", "s.yaml:2:1: unknown option to search 'dropuot'"),
        ("learning_rates: {low: 0.1, high: 0.01}\n", "s.yaml:1:1: search option learning_rates must have low at most"),
        ("search:\n  head: mlp\n  space:\n    dropout: [0.1, 7]\n", "s.yaml:4:5: search option dropout"),
        ("\n", "s.yaml: search file must name options to search; got an empty file"),
    ],
)
def test_a_mistake_in_a_space_is_told_with_its_place(pipeline, tmp_path, text, said):
    (tmp_path / "s.yaml").write_text(text)
    head = () if "head" in text else ("--head", "mlp")
    words = ("--dataset", "digits", *UNTRAINED, "--image-size", "32")
    ended = pipeline("search", tmp_path / "s.yaml", *head, *words, "--subset", "60")
    assert ended.status == 2
    assert said in ended.err
