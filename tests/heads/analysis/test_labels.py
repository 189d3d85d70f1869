"""Doubtful labels: changed ones come first, no head knows the row that it judges, classes that are alike are told."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from heads.analysis import labels
from heads.analysis.labels import FOLDS, class_pairs, confidence, doubts, folds, out_of_fold


def made(rng, rows=400, classes=4, width=12, spread=4.0):
    targets = rng.integers(0, classes, rows)
    features = rng.normal(size=(rows, width)) + spread * rng.permutation(np.eye(width))[:classes][targets]
    return torch.from_numpy(features), targets


def judged(features, targets, **more):
    nothing = torch.zeros(0, features.shape[1], dtype=features.dtype)
    settings = {"further": nothing, "n_classes": int(targets.max()) + 1, "groups": np.arange(len(targets))}
    return out_of_fold(features, targets, **{**settings, **more})


def test_changed_labels_are_the_most_doubtful(rng):
    features, targets = made(rng)
    changed = rng.choice(400, 20, replace=False)
    noisy = targets.copy()
    noisy[changed] = (noisy[changed] + rng.integers(1, 4, 20)) % 4
    found = judged(features, noisy)
    said = doubts(found.training, noisy, confidence=confidence(found.training, noisy))
    assert set(np.argsort(said.probability)[:20]) == set(changed)
    assert said.doubted[changed].mean() > 0.5
    assert np.isin(np.flatnonzero(said.doubted), changed).mean() > 0.9
    assert (said.other[changed] == targets[changed]).all()


def test_a_head_learned_from_no_row_of_its_fold_and_from_no_further_row(rng, monkeypatch):
    features, targets = made(rng, rows=60)
    learned = []

    class Watched(labels.Path):
        def __init__(self, rows, *words, **more):
            learned.append(rows.numbers.numpy())
            super().__init__(rows, *words, **more)

    monkeypatch.setattr(labels, "Path", Watched)
    found = judged(features, targets, further=features[:7] + 1)
    fold = folds(targets, groups=np.arange(60), seed=0)
    assert [set(rows) for rows in learned] == [set(np.flatnonzero(fold != number)) for number in range(FOLDS)]
    assert found.judged.all()
    np.testing.assert_allclose(np.exp(found.further).sum(1), 1, atol=1e-6)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.integers(0, 9), st.integers(1, 5))
@hypothesis_settings(max_examples=50)
def test_folds_are_stratified_and_keep_groups_together(classes, seed, size):
    targets = np.array(classes)
    alone = folds(targets, groups=np.arange(len(targets)), seed=seed)
    for label in np.unique(targets):
        counts = np.bincount(alone[targets == label], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1
    groups = np.arange(len(targets)) // size
    fold = folds(targets, groups=groups, seed=seed)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in np.unique(groups))


def test_a_class_with_one_image_is_not_judged_and_does_not_end_the_run(rng):
    features, targets = made(rng, rows=50)
    targets[7] = 4
    found = judged(features, targets)
    assert np.flatnonzero(~found.judged).tolist() == [7]


def test_a_label_is_doubted_by_the_rule_of_confident_learning():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.45, 0.55], [0.1, 0.9]])
    targets = np.array([0, 0, 1, 0, 0])
    means = confidence(np.log(probabilities), targets)
    assert means == pytest.approx([(0.9 + 0.4 + 0.45 + 0.1) / 4, 0.8])
    said = doubts(np.log(probabilities), targets, confidence=means)
    assert said.doubted.tolist() == [False, False, False, False, True], "only the last reaches 0.8 of class 1"
    assert said.probability == pytest.approx([0.9, 0.4, 0.8, 0.45, 0.1])


def test_classes_that_are_the_same_are_not_told_apart(rng):
    features, targets = made(rng, rows=600, classes=3)
    split = np.where((targets == 2) & (rng.random(600) < 0.5), 3, targets)  # half of class 2, at random
    found = judged(features, split)
    first, *others = class_pairs(found.training, split)
    assert first.classes == (2, 3)
    assert first.low <= 0.5
    assert all(one.low > 0.9 for one in others)
    own = found.training[split == 0]
    (pair,) = [one for one in others if one.classes == (0, 1)]
    other = found.training[split == 1]
    assert pair.accuracy == pytest.approx(((own[:, 0] > own[:, 1]).mean() + (other[:, 1] > other[:, 0]).mean()) / 2)


def test_the_first_fold_chooses_the_penalty_of_all(rng, monkeypatch):
    features, targets = made(rng, rows=200, spread=1.0)
    asked, best = [], labels._best

    def watched(path, grid, *words):
        point, look = best(path, grid, *words)
        asked.append((tuple(grid), point.C))
        return point, look

    monkeypatch.setattr(labels, "_best", watched)
    judged(features, targets)
    (whole, chosen), *others = asked
    assert len(whole) > 2
    assert others == [((chosen,), chosen)] * (FOLDS - 1)
