"""A search as a user meets it: over a head on small features."""

import json
from pathlib import Path

import pytest

from extract.features.store import FeatureFile
from pipelines.search import HeadSubject, SearchSpec, search
from pipelines.specs import HeadSpec
from pipelines.tasks import stages
from pipelines.tasks.table import answer_of
from pipelines.workspace import records
from pipelines.workspace.context import Context

TINY = {"backbone": "test_resnet", "weights": "untrained", "dataset": "digits", "image_size": 32}
SMALL = {**TINY, "subset": 300, "test_subset": 100}
WORDS = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", value)]
SPACE = {"C": {"low": 1e-5, "high": 1e3, "log": True}}
MLP = {
    "learning_rates": {"low": 1e-3, "high": 1e-1, "log": True},
    "sizes": [8, [16, 8]],
    "batch_size": [128],
    "epochs": [3],
    "copies": [1],
}


@pytest.fixture
def space_file(tmp_path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(json.dumps(SPACE))
    return path


def test_the_winner_is_what_fit_head_makes_of_its_options(pipeline, workspace, features, space_file):
    space_file.write_text(json.dumps(MLP))
    answer = pipeline("search", "--head", "mlp", space_file, "--trials", 6, *WORDS, "--json").json
    assert answer["trials"] == 6
    assert answer["failed"] == answer["pruned"] == 0
    best = answer["best_spec"]
    assert set(best) == set(MLP)
    again = answer_of(
        stages.fit_head(
            HeadSpec.of(
                head="mlp",
                learning_rates=[best["learning_rates"]],
                sizes=[best["sizes"]],
                epochs=3,
                option=("batch_size=128", "copies=1"),
            ),
            Context(workspace),
            features_path=features,
        )
    )
    assert again["validation_accuracy"] == answer["validation_accuracy"]
    assert again["test_accuracy"] == answer["test_accuracy"]
    result = json.loads((Path(answer["path"]) / "result.json").read_text())
    assert max(one["value"] for one in result["trials"]) == answer["validation_accuracy"]
    assert answer["test_interval"][0] <= answer["test_accuracy"] <= answer["test_interval"][1]
    assert answer["importance"] == {}
    assert answer["importance_note"].startswith("importance needs 30 complete trials; there are ")
    record = records.read(workspace, answer["run"])
    assert record["seconds"]["search"] == pytest.approx(sum(one["seconds"] for one in result["trials"]))
    assert record["search"] == answer["name"]


def test_the_test_split_is_not_read_before_the_winner_is_known(workspace, features, monkeypatch):
    reads = []
    read = FeatureFile.read
    monkeypatch.setattr(FeatureFile, "read", lambda self, split: reads.append(split) or read(self, split))
    monkeypatch.setattr(HeadSubject, "settle", lambda *_: pytest.fail("settled" + str(reads)))
    with pytest.raises(pytest.fail.Exception, match=r"settled\['train'\]$"):
        search(
            HeadSubject(HeadSpec("logistic"), features_path=features), SearchSpec(SPACE, trials=3), Context(workspace)
        )


def test_a_trial_says_what_it_does_before_there_is_anything_to_count(workspace, features, monkeypatch):
    doing = []
    monkeypatch.setattr(HeadSubject, "_chosen", lambda *_: pytest.fail(f"after {doing}"))
    subject = HeadSubject(HeadSpec("logistic"), features_path=features)
    with pytest.raises(pytest.fail.Exception, match=r"after \['fitting the head'\]$"):
        search(subject, SearchSpec(SPACE, trials=1), Context(workspace, doing=doing.append))


def test_more_trials_continue_a_search_and_the_same_answer_from_what_is_kept(pipeline, workspace, space_file):
    words = ("search", space_file, *WORDS, "--name", "mine", "--json", "--trials")
    pipeline(*words, 3)
    first = json.loads((workspace / "searches" / "mine" / "result.json").read_text())
    more = pipeline(*words, 5).json
    second = json.loads((workspace / "searches" / "mine" / "result.json").read_text())
    assert more["trials"] == 5
    assert second["trials"][:3] == first["trials"]
    assert pipeline(*words, 5).json == more
    assert pipeline(*words, 4).json["trials"] == 5  # what was tried stays tried


def test_a_changed_space_is_another_search_and_the_same_name_for_it_is_refused(pipeline, workspace, space_file):
    words = ("search", space_file, *WORDS, "--trials", 1)
    names = [pipeline(*words, "--json").json["name"]]
    named = (*words, "--name", "mine")
    assert pipeline(*named).status == 0
    for change in ({"C": [1, 10]}, {"solver": ["path"]}):
        space_file.write_text(json.dumps(SPACE | change))
        ended = pipeline(*named)
        assert ended.status == 2
        assert f"search mine must go on as it was begun; got another {next(iter(change))}." in ended.err
        names.append(pipeline(*words, "--json").json["name"])
    space_file.write_text(json.dumps(SPACE))
    assert "another validation." in pipeline(*named, "--validation", 0.2).err
    assert "another head, what." in pipeline(*named, "--head", "ridge").err
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"dropuot": [0.1]}, "unknown option to search 'dropuot' of the mlp head. Nearest: dropout"),
        ({"optimizer": ["sgd", "adamm"]}, "search option optimizer must allow 'adamm'"),
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
        (("--validation", "none"), "validation must hold images out"),
        (("--option", "C=1"), "C must be searched or given, not both"),
        (
            ("--network", "resnet20", "--head", "mlp"),
            "search must be of a head or of a network; got 'mlp' and 'resnet20'",
        ),
        (("--head", "mpl"), "'mpl'. Nearest: mlp"),
        (("--head", "mlp", "--optimizer", "muon"), "error: unknown optimizer 'muon'"),
        (("--head", "mlp", "--dropout", 3), "error: dropout must be"),
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


def test_a_head_without_a_built_in_space_asks_for_one(pipeline, workspace):
    assert "search of the centroid head must be given a space" in pipeline("search", "--head", "centroid", *WORDS).err


def test_given_options_stay_fixed_and_leave_the_usual_space(workspace, features):
    subject = HeadSubject(
        HeadSpec.of(head="mlp", sizes=[8], epochs=2, dropout=0.1, option=("copies=1", "batch_size=128")),
        features_path=features,
    )
    found = search(subject, SearchSpec(trials=2), Context(workspace))
    assert {"sizes", "dropout", "batch_size"}.isdisjoint(found["best"]["params"])
    assert "learning_rates" in found["best"]["params"]
    assert records.read(workspace, found["best_run"])["chosen"]["hidden"] == [8]


def test_the_search_section_of_a_study_says_it_all_and_flags_win(pipeline, workspace, tmp_path):
    study = tmp_path / "study.yaml"
    section = {"head": "logistic", "trials": 3, "name": "studied", "seed": 3, "space": {"C": [0.1, 1]}, **SMALL}
    study.write_text(json.dumps({"name": "s", "search": section}))
    answer = pipeline("search", study, "--trials", 2, "--json").json
    assert (answer["name"], answer["trials"], answer["subject"]) == ("studied", 2, "logistic head")
    assert records.read(workspace, answer["run"])["seed"] == 3
    section["tirals"] = 3
    study.write_text(json.dumps({"name": "s", "search": section}))
    assert "unknown option 'tirals' of a search over a head. Nearest: trials" in pipeline("search", study).err
