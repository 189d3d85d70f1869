"""Searches on the page: what their picture claims of the trials."""

import pytest

from pipelines.report.sections import searches
from pipelines.report.study.study import Study


@pytest.mark.parametrize(("subject", "rough"), [("logistic head", True), ("mlp head", False)])
def test_trials_of_the_logistic_head_are_hollow_for_none_is_fitted_to_the_end(subject, rough):
    trials = [
        {"number": place, "state": "complete", "value": 0.9, "params": {"C": 10.0**place}, "seconds": 1.0}
        for place in range(3)
    ]
    search = {"subject": subject, "trials": trials, "importance": {}, "importance_note": "too few trials"}
    figure = searches._progress(search, 1, "a search")
    assert ("Hollow" in figure.caption) is rough
    assert figure.chart["layer"][1]["mark"]["filled"] is not rough


def test_searches_that_are_left_out_are_counted(workspace, make):
    for number in range(8):
        make.search(workspace, f"search-{number}")
    assert searches.section(Study(workspace, [], [])).lead.endswith("The first 6 of 8 searches by name.")


def test_the_winner_stands_first_among_trials_that_are_equally_accurate():
    trials = [
        {"number": place, "state": "complete", "value": 1.0, "params": {"alpha": 10.0**place}, "seconds": 1.0}
        for place in range(12)
    ]
    best = {"number": 9, "params": trials[9]["params"], "value": 1.0}  # of the least validation loss
    table = searches._table({"trials": trials, "best": best, "best_run": None}, "a search", None)
    assert [trial["number"] for trial in table.items] == [9, 0, 1, 2, 3]
