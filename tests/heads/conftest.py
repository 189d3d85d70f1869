"""Small real and synthetic problems for the tests of heads."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits


@pytest.fixture(autouse=True)
def single_thread():
    """One torch thread: these problems are small, and two threads on a shared machine only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Real handwritten digits: features float64 [1797, 64] with three constant columns, labels int64 [1797]."""
    return load_digits(return_X_y=True)


@pytest.fixture(scope="session")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes: features float32 [600, 20], labels int64 [600] of 4 classes."""
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 4, 600)
    centers = generator.normal(size=(4, 20))
    return (centers[labels] + 1.5 * generator.normal(size=(600, 20))).astype(np.float32), labels
