"""Confusion matrices, and the classes of the best run, the worst first, as scikit-learn scores them."""

import re

import numpy as np
import pytest
import vl_convert
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support

from pipelines.report.build import SECTIONS
from pipelines.report.page import theme
from pipelines.report.page.blocks import Figure, Gallery, Table
from pipelines.report.page.render import VEGA_LITE
from pipelines.report.sections import confusion
from pipelines.report.study.study import gather


def test_the_matrix_is_called_so_and_shows_the_zeros_of_its_diagonal(make, workspace):
    record, table = make.head("logistic", "resnet50", accuracy=0.9, class_names=list("abcdefghij"))
    matrix = np.eye(10, dtype=int) * 36
    matrix[3, 3], matrix[3, 5] = 0, 36
    record["test"]["confusion"] = matrix.tolist()
    make.put(workspace, (record, table))
    figure = confusion.figure(gather(workspace, None).rows[0])
    assert figure.title == "Confusion matrix: logistic on resnet50"
    cells = [cell for layer in figure.chart["layer"] for cell in layer["data"]["values"]]
    written = {(cell["true"], cell["said"]): cell["written"] for cell in cells}
    assert written["d", "d"] == "0"
    assert written["d", "f"] == "36"
    assert written["d", "a"] == ""


@pytest.mark.parametrize("count", [9, 950, 12_000])
def test_the_counts_of_a_matrix_have_room_in_its_cells(make, workspace, count):
    record, table = make.head("logistic", "resnet50", accuracy=0.9, class_names=["automobile", *"abcdefghi"])
    record["test"]["confusion"] = (np.eye(10, dtype=int) * count).tolist()
    make.put(workspace, (record, table))
    figure = confusion.figure(gather(workspace, None).rows[0])
    sized = {"width": figure.least_width, "height": 440, "autosize": {"type": "fit", "contains": "padding"}}
    svg = vl_convert.vegalite_to_svg({**figure.chart, **sized, "config": theme.config()}, vl_version=VEGA_LITE)
    cells = [float(width) for width in re.findall(r'role="graphics-symbol"[^>]* d="M[^h]*h([0-9.]+)v', svg)]
    assert len(cells) == 100
    assert min(cells) >= 0.58 * theme.LEAST_FONT * len(str(count))  # DejaVu Sans, the widest of the page's fonts: 0.64


def test_the_classes_of_the_best_run_are_listed_the_worst_first(workspace, make):
    made = make.head("mlp", "resnet50", accuracy=0.9)
    make.put(workspace, made)
    section = confusion.by_class(gather(workspace, None))
    balanced, figure, classes = section.blocks
    predicted = made[1].argmax(1)
    assert isinstance(balanced, Table)
    assert balanced.rows[0][2].value == pytest.approx(balanced_accuracy_score(make.labels, predicted))
    precision, recall, f1, rows = precision_recall_fscore_support(make.labels, predicted)
    order = f1.argsort(kind="stable")
    shown = [[cell.value for cell in line] for line in classes.rows]
    assert [line[0] for line in shown] == [str(k) for k in order]
    assert [line[1] for line in shown] == list(rows[order])
    for column, rates in ((2, recall), (4, precision), (6, f1)):
        assert [line[column] for line in shown] == pytest.approx(list(rates[order]))
    assert isinstance(figure, Figure)
    layers = figure.chart["layer"]
    points = {(one["class"], one["rate"]): one for one in layers[0]["data"]["values"]}
    assert points[("3", "recall")]["low"] < 100 * recall[3] < points[("3", "recall")]["high"]


def test_records_without_scores_by_class_leave_the_section_out(workspace, make):
    record, table = make.head("mlp", "resnet50", accuracy=0.9)
    test = {name: value for name, value in record["test"].items() if name != "by_class"}
    make.put(workspace, ({**record, "test": test}, table))
    assert confusion.by_class(gather(workspace, None)).blocks == []


def test_a_table_whose_heading_has_an_arrow_is_sorted_by_that_column(workspace, make):
    for number, balanced in enumerate((0.5, 0.9, 0.7)):
        record, table = make.head("mlp", f"backbone{number}", accuracy=0.9 - number / 10)
        make.put(workspace, ({**record, "test": {**record["test"], "balanced_accuracy": balanced}}, table))
    study = gather(workspace, None)
    tables = [block for make in SECTIONS for block in make(study).blocks if isinstance(block, Table)]
    for table in (one for one in tables if one.sorted_by >= 0):
        values = [row[table.sorted_by].value for row in table.rows]
        assert values == sorted(values, reverse=True)


def test_an_error_is_never_said_to_be_certain(workspace, make):
    record, logits = make.head("logistic", "resnet50", accuracy=0.9)
    make.put(workspace, (record, 1000 * logits))
    section = confusion.misclassified(gather(workspace, None))
    [gallery] = [one for one in section.blocks if isinstance(one, Gallery)]
    assert {dict(one.lines)["confidence"] for one in gallery.pictures} == {"99.9 %"}


def test_an_answer_is_never_written_as_certain():
    assert [confusion.sureness(share) for share in (0.5, 0.9984, 1.0)] == ["50.0 %", "99.8 %", "99.9 %"]
