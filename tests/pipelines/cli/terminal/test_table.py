"""Tables that fit the terminal."""

from operator import itemgetter

import pytest

from pipelines.cli.terminal.table import TableColumn, fitted
from pipelines.cli.terminal.text import cells

NAMES = ["", "densenet-bc-16-12 from scratch (cpu, 3 epochs, learning rate 0.05)", "画像" * 30, "é" * 70]


COLUMNS = [
    TableColumn("what", itemgetter(0), shrinks=True),
    TableColumn("data set", itemgetter(1), shrinks=True, drop=1),
    TableColumn("test", itemgetter(2), right=True),
    *[TableColumn(f"number {at}", itemgetter(2 + at), right=True, drop=1 + at) for at in range(1, 6)],
]


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_a_table_fits_and_says_what_matters(width):
    rows = [[name, "cifar10", "97.31%", *["1,234,567"] * 5] for name in NAMES]
    lines = fitted(COLUMNS, rows, width=width)
    assert len(lines) == 1 + len(rows)
    assert all(cells(line) <= width for line in lines)
    assert all("97.31%" in line for line in lines[1:])
    assert lines[2].startswith("densenet-bc-16-12 fro"[:8])
    assert "rate 0.05)" in lines[2]  # the end of a name tells it from others
    assert len({cells(line[: line.index("97.31%")]) for line in lines[1:]}) == 1


def test_text_stands_left_and_numbers_right_and_a_pipe_gets_everything():
    rows = [["a", "mnist", "5%", *"12345"], ["long" * 50, "cifar10", "10%", *"12345"]]
    lines = fitted(COLUMNS, rows, width=None)
    assert "long" * 50 in lines[2]
    assert lines[1].startswith("a  ")
    assert lines[1].index("5%") == lines[2].index("10%") + 1
    assert "number 5" in lines[0]
