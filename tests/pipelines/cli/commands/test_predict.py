"""`pipeline predict`: its lines and its table."""

import csv
import os
from pathlib import Path

import pytest

from pipelines.cli.commands import predict
from pipelines.cli.terminal import table
from pipelines.cli.terminal.text import cells, defused
from pipelines.predict.classify import Prediction, Predictions

BAD = os.fsdecode(b"x\xff.png")  # a name that is not UTF-8


SHOWN = r"x\udcff.png"


def test_a_name_that_is_not_utf_8_is_written_escaped(tmp_path):
    path = tmp_path / "table.csv"
    predict._write_csv(path, Predictions((Prediction(Path(BAD), (("cat", 0.5),)),), ()))
    assert next(csv.DictReader(path.read_text("utf-8").splitlines()))["path"] == SHOWN


@pytest.mark.parametrize("name", ["=cmd|'calc'!A0", "+1", "-1", "@sum", "\tx", "\rx", "＝1"])
def test_a_cell_of_text_is_no_formula_and_a_number_stays_one(tmp_path, name):
    path = tmp_path / "table.csv"
    predict._write_csv(path, Predictions((Prediction(Path("=1.png"), ((name, 0.5),)),), ()))
    (row,) = csv.DictReader(path.open(newline="", encoding="utf-8"))
    assert row == {"path": "'=1.png", "class_1": f"'{name}", "probability_1": "0.5"}
    assert defused(-0.5) == -0.5
    assert defused(None) is None


def test_predictions_fit_the_terminal_line_by_line(monkeypatch):
    monkeypatch.setattr(table, "terminal_width", lambda: 60)
    top = tuple((f"{name}-\x1b[2J", 0.2) for name in ("automobile", "cat", "x" * 300, "dog", "frog"))
    lines = predict._text(Predictions((Prediction(Path("photos/a/very/long/way/to/the/image.png"), top),), ()))
    assert len(lines) == 2
    assert all(cells(line) <= 60 and "\x1b" not in line for line in lines)
    assert lines[1].startswith("photos/")
    assert "20.0 %" in lines[1]
