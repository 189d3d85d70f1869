"""The result of a search: the winner among equals, and a search without one."""

import json

import pytest

from extract.errors import InvalidInputError, TransferBenchError
from pipelines.search import SearchSpec, TrialScore, search
from pipelines.workspace.context import Context


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
    assert set(subject.scored) == {1, 2, 3, 4}
    assert found["best"]["params"] == {"x": 2}
    assert found["space"] == {"x": [1, 2, 3, 4]}
