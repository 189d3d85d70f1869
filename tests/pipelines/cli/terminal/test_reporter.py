"""Answers and errors, whatever a file is called."""

import json
import os

import pytest

from pipelines.cli.terminal.reporter import Reporter

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


def test_an_error_names_it_escaped(pipeline):
    ended = pipeline("runs", "--" + BAD, "--json")
    assert ended.status == 2
    assert SHOWN in ended.json["error"]
