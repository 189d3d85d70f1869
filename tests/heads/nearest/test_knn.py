"""Nearest neighbors against scikit-learn's, and the promises of exactness."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from extract.errors import InvalidInputError
from heads.metrics import scores
from heads.nearest import knn
from heads.nearest.knn import Index, NeighborHead
from heads.nearest.space import NeighborSpace
from heads.protocol import fit_head
from heads.rows import validation_split


def shares(head, features):
    """The shares of the votes of neighbors, without the one that votes for all."""
    count, classes = min(head.neighbors, len(head.examples_)), len(head.classes_)
    return (head.predict_proba(features) * (count + 1) - 1 / classes) / count


@pytest.mark.parametrize("temperature", [None, 0.05, 0.5])
@pytest.mark.parametrize("count", [1, 7, 60])
def test_votes_are_scikit_learn_s(count, temperature, digits):
    features, labels = digits
    weights = "uniform" if temperature is None else lambda distance: np.exp(-distance / temperature)
    for centered in (False, True):
        moved = features - features[:900].mean(axis=0) if centered else features
        theirs = KNeighborsClassifier(count, metric="cosine", algorithm="brute", weights=weights)
        theirs.fit(moved[:900], labels[:900])
        ours = NeighborHead(count, temperature=temperature, centered=centered).fit(features[:900], labels[:900])
        np.testing.assert_allclose(shares(ours, features[900:]), theirs.predict_proba(moved[900:]), atol=1e-4)


def test_every_row_of_the_table_is_that_head_on_the_kept_rows(digits):
    features, labels = digits
    options = {"neighbors": [3, 30, 1_000_000], "temperatures": [None, 0.1]}
    _, choice = fit_head("knn", options, features=features, labels=labels, seed=2)
    keep, hold = validation_split(labels, 0.1, seed=2)
    assert [row["neighbors"] for row in choice.table] == [1617, 1617, 30, 30, 3, 3]
    for row in choice.table:
        head = NeighborHead(row["neighbors"], temperature=row["temperature"]).fit(features[keep], labels[keep])
        scored = scores(head.logits(features[hold]), labels[hold])
        assert (row["log_loss"], row["accuracy"]) == pytest.approx((scored.log_loss, scored.accuracy), abs=1e-4)


def test_blocks_do_not_change_the_answer(digits, monkeypatch):
    features, labels = digits
    head = NeighborHead(5).fit(features[:300], labels[:300])
    before = head.logits(features)
    monkeypatch.setattr(knn, "BLOCK_ELEMENTS", 1)
    np.testing.assert_array_equal(head.logits(features[:200]), before[:200])


def test_of_equally_near_examples_the_first_count():
    examples = torch.tensor([[1.0, 0.0]] * 4 + [[0.0, 1.0]])
    index = Index(examples, torch.arange(5), mean=torch.zeros(2))
    assert index.nearest(examples[:1], 3, exactly=True).classes.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("exactly", [True, False])
def test_of_more_equally_near_examples_than_are_looked_at_the_first_count(exactly):
    rng = np.random.default_rng(0)
    alike = torch.tensor(rng.normal(size=24), dtype=torch.float32).expand(200, 24)
    others = torch.tensor(rng.normal(size=(300, 24)), dtype=torch.float32)
    index = Index(torch.cat([others, alike]), torch.arange(500), mean=torch.zeros(24))
    found = index.nearest(torch.cat([alike[:1], others[:1]]), 3, exactly=exactly)
    assert found.classes[0].tolist() == [300, 301, 302]
    assert found.classes[1, 0] == 0


@given(st.floats(1.0, 1e9), st.integers(0, 9))
def test_an_offset_that_is_common_to_all_rows_changes_no_answer(offset, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 3
    features = rng.normal(size=(60, 8)) + labels[:, None]
    plain = NeighborHead(5).fit(features[:40], labels[:40]).predict_proba(features[40:])
    moved = NeighborHead(5).fit(features[:40] + offset, labels[:40]).predict_proba(features[40:] + offset)
    np.testing.assert_allclose(moved, plain, atol=1e-4 + 1e-12 * offset)


def test_votes_are_summed_alike_where_scattering_has_no_order():
    """The sum that a GPU takes, against the one here."""
    rng = np.random.default_rng(0)
    classes, weights = torch.tensor(rng.integers(0, 7, (50, 30))), torch.tensor(rng.random((50, 30)), dtype=torch.float)
    summed = knn._summed(classes, weights, torch.zeros(50, 7))
    torch.testing.assert_close(summed, torch.zeros(50, 7).scatter_add(1, classes, weights))


def test_a_row_without_direction_is_as_near_to_all():
    head = NeighborHead(3, centered=False).fit(np.eye(3), [0, 1, 2])
    np.testing.assert_allclose(head.predict_proba(np.zeros((1, 3))), 1 / 3)


def test_examples_keep_their_precision(blobs):
    assert NeighborHead().fit(blobs[0].astype(np.float16), blobs[1]).examples_.dtype == np.float16
    assert NeighborHead().fit(blobs[0].astype(np.float32), blobs[1]).examples_.dtype == np.float32


def test_impossible_options_are_refused(blobs):
    for count in (0, -3, 2.5, True, "5"):
        with pytest.raises(InvalidInputError, match="neighbors must be"):
            NeighborHead(count).fit(*blobs)
        with pytest.raises(InvalidInputError, match="neighbors must be"):
            NeighborSpace(neighbors=(count,))
    for temperature in (0, -1.0, float("nan")):
        with pytest.raises(InvalidInputError, match="temperature must be"):
            NeighborHead(temperature=temperature).fit(*blobs)
    with pytest.raises(InvalidInputError, match="at least one"):
        NeighborSpace(temperatures=())
