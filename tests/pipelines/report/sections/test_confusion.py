"""Confusion matrices."""

import numpy as np

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
