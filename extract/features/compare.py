"""Comparison of two feature files: their specs, and row by row."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from extract.features.store import FeatureFile

Json = dict[str, object]


class FeatureDifference(TypedDict):
    """Differences that `compare` finds."""

    differences: dict[str, tuple[object, object]]
    splits: dict[str, Json]


def compare(first: FeatureFile, second: FeatureFile) -> FeatureDifference:
    """`differences` of the specs (dotted key -> both values), and per common split the rows by id.

    For each split: `common_rows`, `only_first`, `only_second`, `other_labels`, and where the widths agree
    `views` (how many both have), `identical`, the minimum and mean cosine of a row with its counterpart over those
    views, and the largest difference. Identical are only splits with the same number of views.
    """
    specs = _flat(first.spec), _flat(second.spec)
    pairs = {key: (specs[0].get(key), specs[1].get(key)) for key in sorted(specs[0].keys() | specs[1].keys())}
    names = [name for name in first.shapes if name in second.shapes]
    return {
        "differences": {key: (one, other) for key, (one, other) in pairs.items() if one != other},
        "splits": {name: _compared(first, second, name) for name in names},
    }


def _compared(one: FeatureFile, other: FeatureFile, split: str) -> Json:
    first, second = one.read(split), other.read(split)
    place = {one: row for row, one in enumerate(second.ids)}
    pairs = np.array([(row, place[one]) for row, one in enumerate(first.ids) if one in place], np.int64).reshape(-1, 2)
    rows, others = pairs.T
    found: Json = {
        "common_rows": len(pairs),
        "only_first": len(first.ids) - len(pairs),
        "only_second": len(second.ids) - len(pairs),
        "other_labels": int((_classes(one, first.labels[rows]) != _classes(other, second.labels[others])).sum()),
    }
    if first.features.shape[2] != second.features.shape[2] or not len(pairs):
        return found
    views = min(len(first.features), len(second.features))
    cosines, largest, same = [], 0.0, len(first.features) == len(second.features)
    for view in range(views):
        a = first.features[view][rows].astype(np.float32)
        b = second.features[view][others].astype(np.float32)
        cosines.append(_cosine(a, b))
        largest, same = max(largest, float(np.abs(a - b).max())), same and np.array_equal(a, b)
    return {
        **found,
        "views": views,
        "identical": bool(same),
        "cosine_minimum": float(np.min(cosines)),
        "cosine_mean": float(np.mean(cosines)),
        "largest_difference": largest,
    }


def _classes(file: FeatureFile, labels: np.ndarray) -> np.ndarray:
    """The names of the classes of `labels` [N]: two files may number them differently."""
    return np.array(file.class_names)[labels]


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of `a` [N, D] with its row of `b`; 1 where both are zero."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("nd,nd->n", a, b)
    both_zero = ~a.any(1) & ~b.any(1)
    return np.where(both_zero, 1.0, products / np.maximum(norms, np.finfo(np.float32).tiny))


def _flat(value: object, prefix: str = "") -> Json:
    if not isinstance(value, Mapping):
        return {prefix: value}
    parts = [_flat(part, f"{prefix}.{name}".lstrip(".")) for name, part in value.items()]
    return {key: leaf for part in parts for key, leaf in part.items()}
