"""Trials: continued, and reported while they run."""

import json

import pytest

from extract.errors import StorageError, TransferBenchError, UnavailableError
from pipelines.search import HeadSubject, SearchSpec, TrialScore, search
from pipelines.specs import HeadSpec
from pipelines.workspace.context import Context
from tests.pipelines.search.small import SPACE, WORDS


def test_a_trial_says_what_it_does_before_there_is_anything_to_count(workspace, features, monkeypatch):
    doing = []
    monkeypatch.setattr(HeadSubject, "_chosen", lambda *_: pytest.fail(f"after {doing}"))
    subject = HeadSubject(HeadSpec("logistic"), features=lambda: features)
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


def test_the_same_parameters_are_not_computed_again(workspace, scripted):
    subject = scripted({1: TrialScore(0.5), 2: TrialScore(0.6)})
    found = search(subject, SearchSpec(trials=9), Context(workspace))
    assert sorted(subject.scored) == [1, 2]
    assert [one["value"] for one in found["trials"]] == [
        {1: 0.5, 2: 0.6}[one["params"]["x"]] for one in found["trials"]
    ]


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
