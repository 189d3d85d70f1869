"""Columns of a table of labels: by usual names, or as they are named."""

import pytest

from extract.data.labels.columns import LabelFile, chosen
from extract.data.labels.table import LabelTable
from extract.errors import InvalidInputError


def table(*columns: str) -> LabelTable:
    return LabelTable("t.csv", {column: [] for column in columns}, [], "line", typed=False)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["path", "label"], {"path": "path", "label": "label"}),
        (["file_name", "Class Name"], {"path": "file_name", "label": "Class Name"}),
        (["label", "Patient-ID", "img"], {"path": "img", "label": "label", "group": "Patient-ID"}),
        (["y", "SPLIT", "path"], {"path": "path", "label": "y", "split": "SPLIT"}),
    ],
)
def test_usual_names_are_found_whatever_their_case(columns, found):
    assert chosen(table(*columns), {}) == found


def test_a_named_column_counts_and_none_leaves_one_out():
    named = LabelFile("t.csv", ("label=dx", "group=none")).named()
    assert chosen(table("path", "label", "dx", "patient"), named) == {"path": "path", "label": "dx"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("diagnosis",), "columns must be like label=diagnosis; got 'diagnosis'"),
        (("label=",), "columns must be like"),
        (("lable=dx",), "unknown column 'lable'. Nearest: label"),
        (("label=a", "label=b"), "must name one column for label; got 'label=b'"),
        (("path=none",), "must name one column for path; got 'path=none'"),
        (("label=dy",), "unknown column 'dy' of t.csv. Nearest: dx"),
        ((), "a column for the label of each image; got 'path', 'dx' in t.csv. Name it with --columns label=NAME"),
    ],
)
def test_what_cannot_be_a_column_is_refused(texts, message):
    with pytest.raises(InvalidInputError, match=message):
        chosen(table("path", "dx"), LabelFile("t.csv", texts).named())
