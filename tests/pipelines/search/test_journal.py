"""Trials of several processes: interrupted, killed, given up."""

import os
import shutil
from pathlib import Path

import pytest

from extract.errors import TransferBenchError
from pipelines.search import SearchSpec, TrialScore, search
from pipelines.search.journal import Journal, TrialState
from pipelines.search.space import Choices
from pipelines.workspace.context import Context


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupted_trial_is_run_again_under_its_own_number(workspace, scripted, interruption):
    script = {1: interruption}
    subject = scripted(script)
    with pytest.raises(type(interruption)):
        search(subject, SearchSpec(trials=1), Context(workspace))
    script[1] = TrialScore(0.7)
    found = search(subject, SearchSpec(trials=1), Context(workspace))
    assert [(one["number"], one["state"], one["value"]) for one in found["trials"]] == [(0, "complete", 0.7)]


def test_a_trial_that_kills_every_process_is_given_up(workspace, scripted, monkeypatch):
    monkeypatch.setattr(Journal, "give_back", lambda *_: None)  # which no killed process does
    subject = scripted({1: KeyboardInterrupt()})
    for _ in range(10):
        with pytest.raises(KeyboardInterrupt):
            search(subject, SearchSpec(trials=1), Context(workspace))
    with pytest.raises(TransferBenchError, match="the process that ran it ended early 10 times"):
        search(subject, SearchSpec(trials=1), Context(workspace))
    assert len(subject.scored) == 10


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
    assert not subject.scored


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


def test_a_trial_that_is_interrupted_in_good_order_again_and_again_is_not_given_up(workspace, scripted):
    for error in [KeyboardInterrupt()] * 6 + [OSError(28, "No space left on device")] * 6:
        with pytest.raises(type(error)):
            search(scripted({1: error}), SearchSpec({"x": [1]}, trials=1, name="patient"), Context(workspace))
    found = search(scripted({1: TrialScore(0.5)}), SearchSpec({"x": [1]}, trials=1, name="patient"), Context(workspace))
    assert [one["state"] for one in found["trials"]] == ["complete"]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_three_processes_share_one_search_and_a_killed_one_ends_as_if_it_never_was(tmp_path, in_process):
    said = in_process(Path(__file__).with_name("searching.py"), tmp_path).splitlines()
    assert said == ["each once", "equal to the uninterrupted one"]


def test_processes_that_search_together_sweep_at_once_and_leave_a_better_trial(tmp_path, monkeypatch):
    remove, folders, seen = shutil.rmtree, [], []
    for value in (0.5, 0.9):  # the second by another process
        journal = Journal(tmp_path, name="s", space={"x": Choices((1, 2))}, seed=0)
        trial = journal.next(2)
        assert trial is not None
        folders.append(journal.trial_folder(trial))
        folders[-1].mkdir(parents=True)
        journal.end(trial, TrialState.COMPLETE, value)
        seen.append((journal, journal.trials()))
    monkeypatch.setattr(shutil, "rmtree", lambda *given, **more: remove(*given) or remove(*given, **more))
    journal, trials = seen[0]
    journal.sweep(trials, but=None)
    assert [folder.exists() for folder in folders] == [False, True]
