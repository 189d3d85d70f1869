"""`extract.features.compare`: how two feature files differ."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from extract.features.compare import compare
from extract.features.store import SplitFeatures

IDS = ("a", "b", "c")


@dataclass
class Read:
    """As much of a feature file as is compared."""

    features: np.ndarray
    spec: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, Any] = field(default_factory=lambda: {"test": None})
    class_names: tuple[str, ...] = ("x", "y", "z")

    def read(self, split: str) -> SplitFeatures:
        """Its one split."""
        return SplitFeatures(self.features, np.arange(3), IDS)


def views(*values: float) -> np.ndarray:
    """[V, 3, 2]: one view for each of the values."""
    return np.stack([np.full((3, 2), value, np.float16) for value in values])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (views(1, 2), views(1, 2), {"views": 2, "identical": True, "cosine_minimum": 1, "largest_difference": 0}),
        (views(1, 2), views(1, -2), {"views": 2, "identical": False, "cosine_minimum": -1, "largest_difference": 4}),
        (views(1), views(1, -5), {"views": 1, "identical": False, "cosine_minimum": 1, "largest_difference": 0}),
    ],
)
def test_every_view_that_both_have_is_compared(first, second, expected):
    found = compare(Read(first), Read(second))["splits"]["test"]
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_labels_are_compared_by_the_names_of_their_classes():
    one = Read(views(1))
    assert compare(one, Read(views(1)))["splits"]["test"]["other_labels"] == 0
    assert compare(one, Read(views(1), class_names=("y", "x", "z")))["splits"]["test"]["other_labels"] == 2
