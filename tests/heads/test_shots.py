"""Few labels: what a draw may see, and that draws are what they say."""

import numpy as np
import pytest

from extract.errors import InvalidInputError
from heads.logistic.head import LogisticHead
from heads.logistic.space import LogisticSpace
from heads.protocol import fit_head
from heads.registry import kinds, space
from heads.rows import drawn, validation_split
from heads.shots import few_labels
from tests.heads.every_kind import ONE

# A small search of those kinds whose own is slow.
SMALL = {
    "logistic": {"c_grid": [1e-3, 1e-2, 1e-1]},
    "linear": {"learning_rates": [3e-2], "weight_decays": [0.01, 1.0], "epochs": 6, "batch_size": 32},
    "mlp": {"learning_rates": [1e-2, 3e-2], "sizes": [32], "epochs": 6, "batch_size": 32, "copies": 1},
}
GRID = LogisticSpace(c_grid=(1e-3, 1e-1, 10.0))


def test_draws_are_balanced_nested_and_different(blobs):
    targets = blobs[1]
    for draw in range(3):
        before = np.array([], dtype=int)
        for shots in (1, 2, 5, 20):
            rows = drawn(targets, shots, draw=draw, seed=4)
            np.testing.assert_array_equal(np.bincount(targets[rows]), [shots] * 4)
            assert set(before) <= set(rows)
            before = rows
    assert len({tuple(drawn(targets, 5, draw=draw, seed=seed)) for draw in range(3) for seed in range(3)}) == 9


def test_labels_of_a_class_are_each_of_another_group_and_validation_keeps_groups_whole(blobs):
    features, labels = blobs
    groups = np.arange(600) // 20
    before: set[int] = set()
    for run in few_labels(GRID, features, labels, groups=groups, shots=[2, 10], draws=1, seed=4):
        for k in range(4):
            own = run.rows[labels[run.rows] == k]
            assert len(set(groups[own])) == len(own) == run.shots
        keep, hold = validation_split(labels[run.rows], run.choice.validation_rows, seed=4, groups=groups[run.rows])
        assert not set(groups[run.rows][keep]) & set(groups[run.rows][hold])
        assert before <= set(run.rows.tolist())
        before = set(run.rows.tolist())
    with pytest.raises(InvalidInputError, match="from 1 to 29, the rows, or groups, of the smallest class"):
        next(few_labels(GRID, features, labels, groups=groups, shots=[31]))


@pytest.mark.parametrize("kind", kinds())
def test_every_head_learns_from_few_labels_and_better_from_more(kind, blobs):
    features, labels = blobs
    tried = space(kind, SMALL.get(kind))
    runs = list(few_labels(tried, features[:400], labels[:400], shots=[50, 1, 5], draws=2, seed=0))
    assert [(run.shots, run.draw) for run in runs] == [(1, 0), (1, 1), (5, 0), (5, 1), (50, 0), (50, 1)]
    accuracies = [run.head.score(features[400:], labels[400:]) for run in runs]
    assert np.mean(accuracies[4:]) > np.mean(accuracies[:2])
    assert np.mean(accuracies[4:]) > 0.8
    assert [run.choice.validation_rows for run in runs] == [0, 0, 4, 4, 40, 40]
    assert all(len(run.rows) == 4 * run.shots for run in runs)


def test_a_head_is_chosen_and_fitted_on_its_rows_alone(blobs):
    features, labels = blobs
    for run in few_labels(GRID, features, labels, shots=[10], draws=2, seed=3):
        others = np.setdiff1d(np.arange(600), run.rows)
        changed, noise = features.copy(), labels.copy()
        changed[others] = np.random.default_rng(0).normal(size=changed[others].shape)
        again = LogisticHead(run.choice.options["C"]).fit(changed[run.rows], noise[run.rows])
        np.testing.assert_array_equal(run.head.weights_, again.weights_)
        keep, hold = validation_split(labels[run.rows], 8, seed=3 + run.draw)
        losses = []
        for C in GRID.c_grid:
            chance = LogisticHead(C).fit(features[run.rows][keep], labels[run.rows][keep])
            chance = chance.predict_proba(features[run.rows][hold])
            losses.append(-np.log(chance[np.arange(8), labels[run.rows][hold]]).mean())
        assert run.choice.options["C"] == GRID.c_grid[int(np.argmin(losses))]


def test_rows_that_were_not_drawn_change_nothing(blobs):
    features, labels = blobs
    first = next(iter(few_labels(GRID, features, labels, shots=[5], draws=1)))
    others = np.setdiff1d(np.arange(600), first.rows)
    changed = features.copy()
    changed[others] += 1.0
    second = next(iter(few_labels(GRID, changed, labels, shots=[5], draws=1)))
    np.testing.assert_array_equal(first.head.weights_, second.head.weights_)
    assert first.choice.table == second.choice.table


@pytest.mark.parametrize("kind", kinds())
def test_one_label_a_class_takes_what_is_usual(kind, blobs):
    tried = space(kind)
    run = next(few_labels(space(kind, SMALL.get(kind)), *blobs, shots=[1], draws=1))
    assert run.choice.criterion == "given"
    assert run.choice.validation is None
    assert np.isfinite(run.head.logits(blobs[0])).all()
    assert tried.head(tried.defaults(), seed=0, device="cpu").kind == kind


def test_a_single_candidate_that_learns_in_epochs_has_its_epoch_chosen(blobs):
    one = {"learning_rates": [1e-2], "weight_decays": [0.1], "epochs": 4}
    run = next(few_labels(space("linear", one), *blobs, shots=[5], draws=1))
    assert run.choice.validation_rows == 4
    assert len(run.choice.curves["validation_loss"]) <= 4


def test_one_label_a_class_keeps_the_size_of_an_ensemble(blobs):
    run = next(few_labels(space("mlp", {"copies": 3, "epochs": 2, "sizes": [8]}), *blobs, shots=[1], draws=1))
    assert run.head.copies == 3


def test_a_single_candidate_takes_all_of_the_drawn_rows(blobs):
    run = next(few_labels(LogisticSpace(C=0.1), *blobs, shots=[3], draws=1))
    assert run.choice.options == {"C": 0.1, "solver": "path"}
    assert run.choice.training_rows == 12


def test_views_are_all_trained_on(blobs):
    views = np.stack([blobs[0], -blobs[0]])
    run = next(few_labels(LogisticSpace(C=0.1), views, blobs[1], shots=[3], draws=1))
    both = np.concatenate([blobs[0][run.rows], -blobs[0][run.rows]])
    alone = LogisticHead(0.1).fit(both, np.tile(blobs[1][run.rows], 2))
    np.testing.assert_array_equal(run.head.weights_, alone.weights_)


@pytest.mark.parametrize(
    ("shots", "draws", "words"),
    [([], 1, "shots must be numbers"), ([0], 1, "from 1 to"), ([5000], 1, "smallest class"), ([1], 0, "draws")],
)
def test_impossible_draws_are_refused(shots, draws, words, blobs):
    with pytest.raises(InvalidInputError, match=words):
        next(few_labels(GRID, *blobs, shots=shots, draws=draws))


def test_progress_counts_the_draws(blobs):
    seen = []
    list(few_labels(GRID, *blobs, shots=[1, 2], draws=2, progress=lambda *words: seen.append(words)))
    assert seen == [(done, 4, "draws") for done in range(1, 5)]


@pytest.mark.parametrize("kind", [list, lambda one: np.array(one, object)])
def test_groups_as_a_list_or_a_pandas_column_holds_them_are_those_of_an_array(blobs, kind):
    names = [f"patient {row // 3}" for row in range(len(blobs[1]))]
    found = []
    for groups in (np.array(names), kind(names)):
        draws = few_labels(LogisticSpace(C=0.1), *blobs, groups=groups, shots=[2], draws=1)
        _, choice = fit_head("centroid", ONE["centroid"], features=blobs[0], labels=blobs[1], groups=groups)
        found.append((next(draws).rows.tolist(), choice.validation))
    assert found[0] == found[1]
