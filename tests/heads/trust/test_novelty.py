"""The distance to the training images: what it tells apart, and how often it is wrong about images like those."""

import numpy as np
import pytest

from extract.errors import CorruptFileError
from heads.trust.novelty import NEIGHBOR, UNLIKE, Reference


def features(rows, *, seed, shift=0.0):
    """Three classes in 32 dimensions, the last of which is constant."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).normal(size=(3, 32)) * 3
    table = centers[rng.integers(0, 3, rows)] + rng.normal(size=(rows, 32)) + shift
    table[:, -1] = 7.0
    return table.astype(np.float32)


def reference(rows=3000, held=1000):
    return Reference.of(features(rows + held, seed=1), np.arange(rows), np.arange(rows, rows + held), seed=0)


def test_images_like_the_training_images_are_called_unlike_as_rarely_as_said_and_others_are():
    found = reference()
    alike = found.farther_than(found.distances_of(features(4000, seed=2)))
    assert abs((alike >= UNLIKE).mean() - (1 - UNLIKE)) < 0.01
    other = found.farther_than(found.distances_of(-features(500, seed=3)))
    assert (other >= UNLIKE).mean() > 0.95


def test_distances_are_those_of_a_search_by_hand_and_do_not_depend_on_the_company():
    found, new = reference(), features(50, seed=4)
    cosines = (new / np.linalg.norm(new, axis=1, keepdims=True)) @ found.bank.astype(np.float32).T
    expected = 1 - np.sort(cosines, axis=1)[:, -NEIGHBOR]
    assert found.distances_of(new) == pytest.approx(expected, abs=1e-5)
    assert found.distances_of(new[7:8])[0] == pytest.approx(expected[7], abs=1e-5)
    assert (np.diff(found.distances) >= 0).all()


def test_it_is_kept_as_arrays_and_others_are_refused():
    found = reference()
    again = Reference.from_arrays(found.arrays())
    new = features(20, seed=5)
    assert np.array_equal(again.distances_of(new), found.distances_of(new))
    with pytest.raises(CorruptFileError, match="two arrays"):
        Reference.from_arrays({"bank": found.bank})
    with pytest.raises(CorruptFileError, match="got others"):
        Reference.from_arrays({**found.arrays(), "bank": found.bank[0]})


def test_few_validation_images_say_nothing_and_few_training_images_do():
    few = reference(rows=3, held=20)
    distances = few.distances_of(features(4, seed=6))
    assert np.isfinite(distances).all()
    assert few.farther_than(distances) is None
    assert len(few.distances_of(features(0, seed=6))) == 0
