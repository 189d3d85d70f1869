"""Weights of classes, so that rare ones count as much as frequent ones: those of scikit-learn's `class_weight`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from extract.errors import InvalidInputError

if TYPE_CHECKING:
    import torch

NAMED = ("none", "balanced")


@dataclass(frozen=True)
class RowWeights:
    """Weights of rows: `relative` float64 [N], whose mean is 1, and the `total` of the weights as they were given."""

    relative: "torch.Tensor"
    total: float

    @classmethod
    def of(cls, class_weights: "torch.Tensor | None", targets: "torch.Tensor") -> "RowWeights | None":
        """Those of rows with class indices `targets` int64 [N] by the weights of the classes [K]; None for none."""
        if class_weights is None:
            return None
        each = class_weights.to(targets.device)[targets]
        return cls(each / each.mean(), float(each.sum()))


def class_weights(given: str | Mapping[Any, float], classes: Any, targets: np.ndarray) -> "torch.Tensor | None":
    """Weights float64 [K] of `classes` [K], labels as they were given; None where all count the same.

    "balanced" is N / (K n) for a class with n of the N rows `targets`, class indices int64 [N]. A mapping has weights
    by label; a class that it does not name has 1. Raises InvalidInputError for anything else.
    """
    import torch

    if isinstance(given, str) and given in NAMED:
        if given == "none":
            return None
        counts = np.bincount(targets, minlength=len(classes))
        return torch.from_numpy(len(targets) / (len(counts) * counts))
    if not isinstance(given, Mapping):
        raise InvalidInputError(
            f"class-weights must be none, balanced, or a weight for each class; got {given!r}. Use balanced."
        )
    check_weights(given, known=list(classes))
    return torch.tensor([float(given.get(one, 1.0)) for one in classes], dtype=torch.float64)


def check_weights(given: Mapping[Any, float], *, known: list[Any]) -> None:
    """Raises InvalidInputError for a weight of a class that is not `known`, and for one that is not above zero."""
    for name, weight in given.items():
        if name not in known:
            raise InvalidInputError(
                f"class-weights must be of classes that have training images; got one of {name!r}, "
                f"not among {', '.join(map(repr, np.array(known[:8]).tolist()))}{', ...' if len(known) > 8 else ''}. "
                "Correct the name, or leave it out."
            )
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.number) or not 0 < weight < np.inf:
            raise InvalidInputError(f"class-weights must be numbers above zero; got {weight!r} of {name!r}.")
