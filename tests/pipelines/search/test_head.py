"""A search as a user meets it: over a head on small features."""

import json
from pathlib import Path

import pytest

from extract.features.store import FeatureFile
from pipelines.search import HeadSubject, SearchSpec, search
from pipelines.specs import HeadSpec
from pipelines.tasks.fit_head import fitted_head
from pipelines.tasks.table import answer_of
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.search.small import SMALL, SPACE, WORDS

MLP = {
    "learning_rates": {"low": 1e-3, "high": 1e-1, "log": True},
    "sizes": [8, [16, 8]],
    "batch_size": [128],
    "epochs": [3],
    "copies": [1],
}


def test_the_winner_is_what_fit_head_makes_of_its_options(pipeline, workspace, features, space_file):
    space_file.write_text(json.dumps(MLP))
    answer = pipeline("search", "--head", "mlp", space_file, "--trials", 6, *WORDS, "--json").json
    assert answer["trials"] == 6
    assert answer["failed"] == answer["pruned"] == 0
    best = answer["best_spec"]
    assert set(best) == set(MLP)
    again = answer_of(
        fitted_head(
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
    assert record.seconds["search"] == pytest.approx(sum(one["seconds"] for one in result["trials"]))
    assert record.search == answer["name"]


def test_the_test_split_is_not_read_before_the_winner_is_known(workspace, features, monkeypatch):
    reads = []
    read = FeatureFile.read
    monkeypatch.setattr(FeatureFile, "read", lambda self, split: reads.append(split) or read(self, split))
    monkeypatch.setattr(HeadSubject, "settle", lambda *_: pytest.fail("settled" + str(reads)))
    with pytest.raises(pytest.fail.Exception, match=r"settled\['train'\]$"):
        search(
            HeadSubject(HeadSpec("logistic"), features=lambda: features),
            SearchSpec(SPACE, trials=3),
            Context(workspace),
        )


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
    assert "unknown option to search 'C' of the ridge head. Known: alpha" in pipeline(*named, "--head", "ridge").err
    assert len(set(names)) == 3


def test_a_head_without_a_built_in_space_asks_for_one(pipeline, workspace):
    assert "search of the centroid head must be given a space" in pipeline("search", "--head", "centroid", *WORDS).err


def test_the_search_section_of_a_study_says_it_all_and_flags_win(pipeline, workspace, tmp_path):
    study = tmp_path / "study.yaml"
    section = {"head": "logistic", "trials": 3, "name": "studied", "seed": 3, "space": {"C": [0.1, 1]}, **SMALL}
    study.write_text(json.dumps({"name": "s", "search": section}))
    answer = pipeline("search", study, "--trials", 2, "--json").json
    assert (answer["name"], answer["trials"], answer["subject"]) == ("studied", 2, "logistic head")
    assert records.read(workspace, answer["run"]).seed == 3
    section["tirals"] = 3
    study.write_text(json.dumps({"name": "s", "search": section}))
    assert "unknown option 'tirals' of a search over a head. Nearest: trials" in pipeline("search", study).err
