"""How a search treats its trials: failures, interruptions, equals, the journal, the time."""

import json
from pathlib import Path

import numpy as np
import pytest

from extract.errors import CorruptFileError, InvalidInputError, StorageError, TransferBenchError, UnavailableError
from pipelines.search import HeadSubject, SearchSpec, Subject, TrialScore, search
from pipelines.search.journal import Journal
from pipelines.specs import HeadSpec
from pipelines.workspace.context import Context


class Scripted(Subject):
    """What a trial does stands in `script`, by option x: an accuracy, or an exception to raise."""

    label, what = "scripted", "the scripted head"

    def __init__(self, script, real):
        self.script, self.real, self.judged = script, real, []

    def known(self):
        return {"x": None, "y": None}

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
    return lambda script: Scripted(
        script, HeadSubject(HeadSpec.of(head="logistic", c_grid=[1e-3]), features_path=features)
    )


def test_a_failed_trial_is_recorded_with_its_message_and_has_no_score(workspace, scripted):
    subject = scripted({1: TrialScore(0.4), 2: RuntimeError("CUDA out of memory"), 3: TrialScore(float("nan"))})
    found = search(subject, SearchSpec(trials=8), Context(workspace))
    failed = [one for one in found["trials"] if one["state"] == "failed"]
    assert {one["error"] for one in failed} == {
        "CUDA out of memory",
        "validation accuracy must be between 0 and 1; got nan",
    }
    assert all(one["value"] is None for one in failed)
    assert found["best"]["value"] == 0.4
    assert len(found["trials"]) == 8


def test_a_search_whose_trials_all_fail_says_why(workspace, scripted):
    with pytest.raises(TransferBenchError, match="all of 2 failed, the first because: no such thing"):
        search(
            scripted({1: InvalidInputError("no such thing")}), SearchSpec(trials=2, name="failing"), Context(workspace)
        )
    kept = json.loads((workspace / "searches" / "failing" / "result.json").read_text())
    assert [one["error"] for one in kept["trials"]] == ["no such thing"] * 2
    assert kept["best"] is None


def test_of_equal_accuracies_the_least_log_loss_wins(workspace, scripted):
    subject = scripted(
        {1: TrialScore(0.5, 0.9), 2: TrialScore(0.5, 0.7), 3: TrialScore(0.4, 0.1), 4: TrialScore(0.5, 0.8)}
    )
    found = search(subject, SearchSpec(trials=25), Context(workspace))
    assert set(subject.judged) == {1, 2, 3, 4}
    assert found["best"]["params"] == {"x": 2}


def test_the_same_parameters_are_not_computed_again(workspace, scripted):
    subject = scripted({1: TrialScore(0.5), 2: TrialScore(0.6)})
    found = search(subject, SearchSpec(trials=9), Context(workspace))
    assert sorted(subject.judged) == [1, 2]
    assert [one["value"] for one in found["trials"]] == [
        {1: 0.5, 2: 0.6}[one["params"]["x"]] for one in found["trials"]
    ]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupted_trial_is_run_again_under_its_own_number(workspace, scripted, interruption):
    script = {1: interruption}
    subject = scripted(script)
    with pytest.raises(type(interruption)):
        search(subject, SearchSpec(trials=1), Context(workspace))
    script[1] = TrialScore(0.7)
    found = search(subject, SearchSpec(trials=1), Context(workspace))
    assert [(one["number"], one["state"], one["value"]) for one in found["trials"]] == [(0, "complete", 0.7)]


def test_half_a_line_of_a_killed_process_harms_no_later_one(workspace, scripted):
    subject = scripted({1: TrialScore(0.5), 2: TrialScore(0.6)})
    found = search(subject, SearchSpec(trials=2, name="torn"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"worker_')
    again = search(subject, SearchSpec(trials=6, name="torn"), Context(workspace))
    assert again["trials"][:2] == found["trials"]
    assert len(again["trials"]) == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"{]\n" + content,
        lambda content: content.replace(b"0.5", b"0.6", 1),
        lambda content: content.split(b"\n", 1)[1],
        lambda content: content.replace(b"\n", b"}", 1),
        lambda content: b"{}\n" + content,
    ],
)
def test_a_damaged_journal_is_refused_and_named_with_its_line(workspace, scripted, damage):
    found = search(scripted({1: TrialScore(0.5)}), SearchSpec({"x": [1]}, trials=1, name="bad"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    journal.write_bytes(damage(journal.read_bytes()))
    with pytest.raises(
        CorruptFileError, match=r"journal of the search must be intact; got .*journal\.log': line \d: it"
    ):
        search(scripted({1: TrialScore(0.5)}), SearchSpec({"x": [1]}, trials=1, name="bad"), Context(workspace))


def test_cut_anywhere_a_journal_goes_on_with_the_same_parameters(workspace, scripted):
    script = {1: TrialScore(0.5), 2: TrialScore(0.6), 3: TrialScore(0.7)}
    space = {"x": [1, 2, 3], "y": {"low": 0.0, "high": 1.0}}
    found = search(scripted(script), SearchSpec(space, trials=3, name="whole"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    content = journal.read_bytes()
    for cut in np.linspace(len(content) // 4, len(content) - 1, 12).astype(int):
        journal.write_bytes(content[:cut])
        again = search(scripted(script), SearchSpec(space, trials=3, name="whole"), Context(workspace))
        assert [one["params"] for one in again["trials"]] == [one["params"] for one in found["trials"]]


def test_a_trial_that_kills_every_process_is_given_up(workspace, scripted, monkeypatch):
    monkeypatch.setattr(Journal, "give_back", lambda *_: None)  # which no killed process does
    subject = scripted({1: KeyboardInterrupt()})
    for _ in range(10):
        with pytest.raises(KeyboardInterrupt):
            search(subject, SearchSpec(trials=1), Context(workspace))
    with pytest.raises(TransferBenchError, match="the process that ran it ended early 10 times"):
        search(subject, SearchSpec(trials=1), Context(workspace))
    assert len(subject.judged) == 10


def test_an_interrupt_just_after_the_end_of_a_trial_leaves_its_result(workspace, scripted, monkeypatch):
    end = Journal.end

    def interrupted(*words, **facts):
        end(*words, **facts)
        raise KeyboardInterrupt

    config = SearchSpec({"x": [1]}, trials=1, name="ended")
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search(scripted({1: TrialScore(0.5)}), config, Context(workspace))
    subject = scripted({1: TrialScore(0.9)})
    assert search(subject, config, Context(workspace))["best"]["value"] == 0.5
    assert not subject.judged


def test_out_of_time_while_another_runs_a_trial_the_winner_is_left_to_that_one(workspace, scripted):
    def meanwhile(watch):
        inner.append(search(scripted(script), config(timeout=0.5), Context(workspace)))
        return TrialScore(0.6)

    script, inner = {1: meanwhile}, []
    config = lambda timeout=None: SearchSpec({"x": [1]}, trials=1, timeout=timeout, name="both")  # noqa: E731
    outer = search(scripted(script), config(), Context(workspace))
    assert (inner[0]["best_run"], [one["state"] for one in inner[0]["trials"]]) == (None, ["running"])
    assert outer["best"]["value"] == 0.6
    assert outer["best_run"]


def test_when_the_time_is_out_no_trial_is_begun_and_the_best_so_far_wins(workspace, scripted):
    subject = scripted({1: TrialScore(0.5)})
    search(subject, SearchSpec(trials=2, name="late"), Context(workspace))
    found = search(subject, SearchSpec(trials=50, timeout=1e-9, name="late"), Context(workspace))
    assert len(found["trials"]) == 2
    assert found["best_run"]
    with pytest.raises(TransferBenchError, match="before its time is out"):
        search(subject, SearchSpec(trials=50, timeout=1e-9, name="later"), Context(workspace))


def test_a_folder_that_cannot_be_written_is_named(workspace, scripted):
    (workspace / "searches").write_text("in the way")
    with pytest.raises(TransferBenchError, match=r"search must be able to write '.*searches"):
        search(scripted({1: TrialScore(0.5)}), SearchSpec(trials=1), Context(workspace))


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        MemoryError(),
        StorageError("disk must have room"),
        UnavailableError("the hub must answer"),
        RuntimeError("Can't write data (No space left on device)"),
    ],
    ids=["disk", "memory", "told", "outside", "HDF5"],
)
def test_what_the_machine_dies_of_ends_the_search_and_leaves_the_trial_to_the_next_one(workspace, scripted, error):
    with pytest.raises(type(error)):
        search(scripted({1: error}), SearchSpec({"x": [1]}, trials=2, name="full"), Context(workspace))
    subject = scripted({1: TrialScore(0.5)})
    found = search(subject, SearchSpec({"x": [1]}, trials=2, name="full"), Context(workspace))
    assert [one["state"] for one in found["trials"]] == ["complete"] * 2


def test_a_trial_that_is_interrupted_in_good_order_again_and_again_is_not_given_up(workspace, scripted):
    for error in [KeyboardInterrupt()] * 6 + [OSError(28, "No space left on device")] * 6:
        with pytest.raises(type(error)):
            search(scripted({1: error}), SearchSpec({"x": [1]}, trials=1, name="patient"), Context(workspace))
    found = search(scripted({1: TrialScore(0.5)}), SearchSpec({"x": [1]}, trials=1, name="patient"), Context(workspace))
    assert [one["state"] for one in found["trials"]] == ["complete"]
