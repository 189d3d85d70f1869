"""A search as a user meets it: over a head on small features."""

import json
import shutil
from pathlib import Path

import pytest

from extract.errors import DamagedFile, InvalidInput, PipelineError
from extract.store import FeatureFile
from pipelines import records, stages
from pipelines.context import Context
from pipelines.search import HeadSubject, Outcome, Subject, Wanted, search
from pipelines.specs import ExtractSpec, HeadSpec

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


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> Path:
    """A workspace that holds features only."""
    workspace = tmp_path_factory.mktemp("extracted") / "workspace"
    stages.extract(ExtractSpec(**SMALL), Context(workspace))
    return workspace


@pytest.fixture
def workspace(extracted, tmp_path) -> Path:
    """A fresh copy of it, where the `pipeline` fixture looks."""
    return Path(shutil.copytree(extracted, tmp_path / "workspace"))


@pytest.fixture
def features(workspace) -> Path:
    return next((workspace / "features").glob("*.h5"))


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
    again = stages.fit_head(
        HeadSpec(
            "mlp",
            learning_rates=[best["learning_rates"]],
            sizes=[best["sizes"]],
            epochs=3,
            option=("batch_size=128", "copies=1"),
        ),
        Context(workspace),
        features_path=features,
    )
    assert again["validation_accuracy"] == answer["validation_accuracy"]
    assert again["test_accuracy"] == answer["test_accuracy"]
    result = json.loads((Path(answer["path"]) / "result.json").read_text())
    assert max(one["value"] for one in result["trials"]) == answer["validation_accuracy"]
    assert answer["test_interval"][0] <= answer["test_accuracy"] <= answer["test_interval"][1]
    assert sum(answer["importance"].values()) == pytest.approx(1)
    record = records.read(workspace, answer["run"])
    assert record["seconds"]["search"] == pytest.approx(sum(one["seconds"] for one in result["trials"]))
    assert record["search"] == answer["name"]


def test_the_test_split_is_not_read_before_the_winner_is_known(workspace, features, monkeypatch):
    reads = []
    read = FeatureFile.read
    monkeypatch.setattr(FeatureFile, "read", lambda self, split: reads.append(split) or read(self, split))
    monkeypatch.setattr(HeadSubject, "settle", lambda *_: pytest.fail("settled" + str(reads)))
    with pytest.raises(pytest.fail.Exception, match=r"settled\['train'\]$"):
        search(HeadSubject(HeadSpec("logistic"), features_path=features), Wanted(SPACE, trials=3), Context(workspace))


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
        ({"dropuot": [0.1]}, "'dropuot'. Nearest: dropout"),
        ({"optimiser": ["sgd", "adamm"]}, "search option optimiser must allow 'adamm'"),
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
        (("--trials", 0), "trials must be at least 1; got 0"),
        (("--timeout", -1), "timeout must be seconds above 0; got -1"),
        (("--name", "a/b"), "name of a search must be"),
        (("--validation", "none"), "validation must hold images out"),
        (("--option", "C=1"), "C must be searched or given, not both"),
        (
            ("--network", "resnet20", "--head", "mlp"),
            "search must be of a head or of a network; got 'mlp' and 'resnet20'",
        ),
        (("--head", "mpl"), "'mpl'. Nearest: mlp"),
        (("--width", 2), "option of a search over a head must be a known name; got 'width'"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_sentence(pipeline, workspace, space_file, words, sentence):
    ended = pipeline("search", space_file, *WORDS, *words)
    assert ended.status == 2
    assert sentence in ended.err


def test_a_head_without_a_built_in_space_asks_for_one(pipeline, workspace):
    assert "search of the centroid head must be given a space" in pipeline("search", "--head", "centroid", *WORDS).err


def test_given_options_stay_fixed_and_leave_the_usual_space(workspace, features):
    subject = HeadSubject(
        HeadSpec("mlp", sizes=[8], epochs=2, dropout=0.1, option=("copies=1", "batch_size=128")), features_path=features
    )
    found = search(subject, Wanted(trials=2), Context(workspace))
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
    assert "'tirals'. Nearest: trials" in pipeline("search", study).err


class Scripted(Subject):
    """What a trial does stands in `script`, by option x: an accuracy, or an exception to raise."""

    label, what = "scripted", "the scripted head"

    def __init__(self, script, real):
        self.script, self.real, self.judged = script, real, []

    def known(self):
        return ["x"]

    def usual(self):
        return {"x": list(self.script)}

    def key(self):
        return {}

    def check(self, options):
        pass

    def judge(self, options, watch, context):
        self.judged.append(options["x"])
        found = self.script[options["x"]]
        if callable(found):
            return found(watch)
        if isinstance(found, BaseException):
            raise found
        return found

    def settle(self, options, context, folder):
        return self.real.settle({}, context, folder)


@pytest.fixture
def scripted(features):
    return lambda script: Scripted(script, HeadSubject(HeadSpec("logistic", c_grid=[1e-3]), features_path=features))


def test_a_failed_trial_is_recorded_with_its_message_and_has_no_score(workspace, scripted):
    subject = scripted({1: Outcome(0.4), 2: RuntimeError("CUDA out of memory"), 3: Outcome(float("nan"))})
    found = search(subject, Wanted(trials=8), Context(workspace))
    failed = [one for one in found["trials"] if one["state"] == "failed"]
    assert {one["error"] for one in failed} == {
        "CUDA out of memory",
        "held-out accuracy must be between 0 and 1; got nan",
    }
    assert all(one["value"] is None for one in failed)
    assert found["best"]["value"] == 0.4
    assert len(found["trials"]) == 8


def test_a_search_whose_trials_all_fail_says_why(workspace, scripted):
    with pytest.raises(PipelineError, match="all of 2 failed, the first because: no such thing"):
        search(scripted({1: InvalidInput("no such thing")}), Wanted(trials=2, name="failing"), Context(workspace))
    kept = json.loads((workspace / "searches" / "failing" / "result.json").read_text())
    assert [one["error"] for one in kept["trials"]] == ["no such thing"] * 2
    assert kept["best"] is None


def test_of_equal_accuracies_the_least_log_loss_wins(workspace, scripted):
    subject = scripted({1: Outcome(0.5, 0.9), 2: Outcome(0.5, 0.7), 3: Outcome(0.4, 0.1), 4: Outcome(0.5, 0.8)})
    found = search(subject, Wanted(trials=25), Context(workspace))
    assert set(subject.judged) == {1, 2, 3, 4}
    assert found["best"]["params"] == {"x": 2}


def test_the_same_parameters_are_not_computed_again(workspace, scripted):
    subject = scripted({1: Outcome(0.5), 2: Outcome(0.6)})
    found = search(subject, Wanted(trials=9), Context(workspace))
    assert sorted(subject.judged) == [1, 2]
    assert [one["value"] for one in found["trials"]] == [
        {1: 0.5, 2: 0.6}[one["params"]["x"]] for one in found["trials"]
    ]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupted_trial_is_run_again_under_its_own_number(workspace, scripted, interruption):
    script = {1: interruption}
    subject = scripted(script)
    with pytest.raises(type(interruption)):
        search(subject, Wanted(trials=1), Context(workspace))
    script[1] = Outcome(0.7)
    found = search(subject, Wanted(trials=1), Context(workspace))
    assert [(one["number"], one["state"], one["value"]) for one in found["trials"]] == [(0, "complete", 0.7)]


def test_half_a_line_of_a_killed_process_harms_no_later_one(workspace, scripted):
    subject = scripted({1: Outcome(0.5), 2: Outcome(0.6)})
    found = search(subject, Wanted(trials=2, name="torn"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"worker_')
    again = search(subject, Wanted(trials=6, name="torn"), Context(workspace))
    assert again["trials"][:2] == found["trials"]
    assert len(again["trials"]) == 6


def test_a_damaged_journal_is_refused_and_named(workspace, scripted):
    found = search(scripted({1: Outcome(0.5)}), Wanted(trials=1, name="bad"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    journal.write_bytes(b"{]\n" + journal.read_bytes())
    with pytest.raises(DamagedFile, match="journal of the search must be whole"):
        search(scripted({1: Outcome(0.5)}), Wanted(trials=1, name="bad"), Context(workspace))


def test_a_trial_that_ends_every_process_is_given_up(workspace, scripted):
    subject = scripted({1: KeyboardInterrupt()})
    for _ in range(10):
        with pytest.raises(KeyboardInterrupt):
            search(subject, Wanted(trials=1), Context(workspace))
    with pytest.raises(PipelineError, match="the process that ran it ended early 10 times"):
        search(subject, Wanted(trials=1), Context(workspace))
    assert len(subject.judged) == 10


def test_out_of_time_while_another_runs_a_trial_the_winner_is_left_to_that_one(workspace, scripted):
    def meanwhile(watch):
        inner.append(search(scripted(script), wanted(timeout=0.5), Context(workspace)))
        return Outcome(0.6)

    script, inner = {1: meanwhile}, []
    wanted = lambda timeout=None: Wanted({"x": [1]}, trials=1, timeout=timeout, name="both")  # noqa: E731
    outer = search(scripted(script), wanted(), Context(workspace))
    assert (inner[0]["best_run"], [one["state"] for one in inner[0]["trials"]]) == (None, ["running"])
    assert outer["best"]["value"] == 0.6
    assert outer["best_run"]


def test_when_the_time_is_out_no_trial_is_begun_and_the_best_so_far_wins(workspace, scripted):
    subject = scripted({1: Outcome(0.5)})
    search(subject, Wanted(trials=2, name="late"), Context(workspace))
    found = search(subject, Wanted(trials=50, timeout=1e-9, name="late"), Context(workspace))
    assert len(found["trials"]) == 2
    assert found["best_run"]
    with pytest.raises(PipelineError, match="before its time is out"):
        search(subject, Wanted(trials=50, timeout=1e-9, name="later"), Context(workspace))


def test_a_folder_that_cannot_be_written_is_named(workspace, scripted):
    (workspace / "searches").write_text("in the way")
    with pytest.raises(PipelineError, match=r"search must be able to write '.*searches"):
        search(scripted({1: Outcome(0.5)}), Wanted(trials=1), Context(workspace))
