"""What is printed, whatever a file is called."""

import csv
import json
import os
from operator import itemgetter
from pathlib import Path

import pytest

from pipelines.cli.commands import predict
from pipelines.cli.terminal import table
from pipelines.cli.terminal.reporter import Reporter
from pipelines.cli.terminal.table import TableColumn, fitted
from pipelines.cli.terminal.text import OBEYED, cells, defused, plain
from pipelines.predict.classify import Prediction, Predictions

BAD = os.fsdecode(b"x\xff.png")  # a name that is not UTF-8
SHOWN = r"x\udcff.png"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_name_that_is_not_utf_8_is_printed_escaped(capfdbinary, as_json):
    Reporter(as_json=as_json).result({"path": BAD, "other": "Blüte"}, [f"{BAD} Blüte"])
    out = capfdbinary.readouterr().out.decode("utf-8")
    if as_json:
        assert json.loads(out) == {"path": SHOWN, "other": "Blüte"}
    else:
        assert out == f"{SHOWN} Blüte\n"


def test_a_name_that_is_not_utf_8_is_written_escaped(tmp_path):
    path = tmp_path / "table.csv"
    predict._write_csv(path, Predictions((Prediction(Path(BAD), (("cat", 0.5),)),), ()))
    assert next(csv.DictReader(path.read_text("utf-8").splitlines()))["path"] == SHOWN


def test_an_error_names_it_escaped(pipeline):
    ended = pipeline("runs", "--" + BAD, "--json")
    assert ended.status == 2
    assert SHOWN in ended.json["error"]


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x9b2J\x7f\x07", r"\x9b2J\x7f\x07"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a\u2028b", r"a\u2028b"),
        ("Blüte 画像 חתול 😀", "Blüte 画像 חתול 😀"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, shown, capsys):
    assert plain(text) == shown
    assert fitted([TableColumn("name", str)], [text], width=80)[1] == shown
    Reporter(as_json=False).result({}, [text])
    assert capsys.readouterr().out == f"{shown}\n"
    Reporter(as_json=True).result({"name": text}, [])
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": text}
    assert not OBEYED.search(out.removesuffix("\n"))


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
