"""An audit as a table: a row for every image, with its label, what is wrong with it, and by how much."""

import csv
import io
from collections.abc import Callable, Iterator

import numpy as np

from pipelines.tasks.inspection.audit import Audited
from pipelines.workspace.parts.inspections import SCORES, AuditResult

COLUMNS = (
    *("path", "label", "split", "issues", "near_duplicate_of", "nearest", "similarity"),
    *("label_probability", "suggested_label", "typicality"),
)


def issues(found: AuditResult) -> dict[int, list[str]]:
    """What is wrong with each image of an audit, by its row; only those with which something is."""
    lists = {
        "near-duplicate": [image for one in found.near_duplicates for image in one.images],
        "doubtful label": [one.image for one in found.doubtful_labels],
        "outlier": [one.image for one in found.outliers],
        "collapsed": [image for one in found.points for image in one.images],
    }
    rows: dict[int, list[str]] = {}
    for name, images in lists.items():
        for image in images:
            rows.setdefault(image.row, []).append(name)
    return rows


def duplicates(found: AuditResult) -> set[int]:
    """Rows of training images that are near-duplicates of a test image, or of a training image before them."""
    dropped: set[int] = set()
    for one in found.near_duplicates:
        training = [image.row for image in one.images if image.split == "train"]
        dropped |= set(training if len(training) < len(one.images) else training[1:])
    return dropped


def written(found: AuditResult, rows: Audited, *, is_kept: Callable[[int], bool] = lambda row: True) -> bytes:
    """The table as CSV of the rows that are kept, the most doubtful labels first."""
    scores: dict[str, np.ndarray] = dict(
        zip(SCORES, np.frombuffer(found.scores, np.float32).reshape(len(SCORES), -1), strict=True)
    )
    wrong, text = issues(found), io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in np.argsort(scores["label_probability"], kind="stable").tolist():
        if is_kept(row):
            table.writerow(_cells(found, rows, scores, row, wrong.get(row, [])))
    return text.getvalue().encode("utf-8", "surrogateescape")


def _cells(
    found: AuditResult, rows: Audited, scores: dict[str, np.ndarray], row: int, wrong: list[str]
) -> Iterator[str]:
    names, group = found.class_names, int(scores["group"][row])
    yield from (rows.ids[row], names[rows.labels[row]], rows.splits[row], "; ".join(wrong))
    yield rows.ids[group] if group != row else ""
    yield rows.ids[int(scores["nearest"][row])]
    yield f"{scores['similarity'][row]:.4f}"
    yield "" if np.isnan(scores["label_probability"][row]) else f"{scores['label_probability'][row]:.4g}"
    yield names[int(scores["likeliest_other"][row])] if "doubtful label" in wrong else ""
    yield f"{scores['typicality'][row]:.4f}"
