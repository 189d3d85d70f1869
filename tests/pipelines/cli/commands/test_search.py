"""`pipeline search`: what it answers and prints."""

from types import SimpleNamespace

from pipelines.cli.commands import search


def trial(number, value, *, state="complete", **params):
    return {"number": number, "state": state, "value": value, "params": params}


FOUND = {
    "name": "ridge-1a2b", "subject": "ridge head", "seconds": 12.0, "path": "workspace/searches/ridge-1a2b",
    "trials": [trial(0, 0.9, alpha=1.0), trial(1, 0.95, alpha=0.25), trial(2, 0.95, alpha=0.5),
               trial(3, 0.4, state="pruned", alpha=9.0), trial(4, None, state="failed", alpha=0.1)],
    "best": {"number": 2, "params": {"alpha": 0.5, "sizes": [256, 128]}, "value": 0.95},
    "best_run": "0" * 12,
    "answer": SimpleNamespace(record=SimpleNamespace(test=SimpleNamespace(accuracy=0.93, interval=(0.91, 0.95)))),
    "importance": {"alpha": 0.8, "sizes": 0.2}, "importance_spread": {"alpha": [0.7, 0.9], "sizes": [0.1, 0.3]},
    "importance_note": "of 30 trials",
}  # fmt: skip


def test_the_answer_counts_trials_and_scores_the_winner():
    answer = search._answer(FOUND)
    assert (answer["trials"], answer["pruned"], answer["failed"]) == (5, 1, 1)
    assert (answer["validation_accuracy"], answer["test_accuracy"]) == (0.95, 0.93)
    assert answer["best_spec"] == FOUND["best"]["params"]


def test_complete_trials_are_ranked_and_of_equals_the_chosen_one_is_first():
    lines = search._ranking(FOUND)
    assert [line.split()[0] for line in lines[1:]] == ["2", "1", "0"]


def test_options_of_the_winner_stand_with_their_importance_and_the_test_score_with_its_interval():
    text = "\n".join(search._text(search._answer(FOUND), FOUND))
    assert "5 trials (1 pruned, 1 failed)" in text
    assert "256 x 128" in text
    assert "80 %  70 % to 90 %" in text
    assert "test accuracy       93.00 %  (95 % interval 91.00 % to 95.00 %)" in text


def test_a_search_without_a_winner_shows_neither_options_nor_a_test_score():
    found = {**FOUND, "trials": [], "best": None, "answer": None, "best_run": None}
    text = "\n".join(search._text(search._answer(found), found))
    assert "accuracy" not in text
    assert "saved to            workspace/searches/ridge-1a2b" in text
