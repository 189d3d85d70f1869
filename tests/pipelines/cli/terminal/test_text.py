"""What is printed, whatever a file is called."""

import json

import pytest

from pipelines.cli.terminal.reporter import Reporter
from pipelines.cli.terminal.table import TableColumn, fitted
from pipelines.cli.terminal.text import OBEYED, plain


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
