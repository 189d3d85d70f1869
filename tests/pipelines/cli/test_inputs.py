"""Every odd input through the command line: a sentence or an answer, never a traceback, a type name or a source line.

Each file of `inputs/` lists the cases of one subject as `CASES`.
"""

import importlib
import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "inputs"
SUBJECTS = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "case")
CASES = [case for name in SUBJECTS for case in importlib.import_module(f"tests.pipelines.cli.inputs.{name}").CASES]
FORBIDDEN = {
    "a traceback": re.compile(r"Traceback"),
    "a Python type name": re.compile(r"error: \w+(Error|Exception)\b"),
    "what a terminal obeys": re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]"),
    "a Python warning with its source line": re.compile(r"\.py:\d+: \w*Warning"),
}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_input_ends_in_an_answer_or_in_a_sentence(case, pipeline, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    case.make(folder)
    monkeypatch.chdir(folder)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    statuses = case.statuses * len(case.commands) if len(case.statuses) == 1 else case.statuses
    ended = None
    for words, status in zip(case.commands, statuses, strict=True):
        ended = pipeline(*words)
        _check(ended, status, words)
        if "--json" in words:
            assert isinstance(json.loads(ended.out), dict), ended.out
    assert ended is not None
    assert case.says in ended.err + ended.out, ended.err + ended.out


def _check(ended, status, words):
    for what, pattern in FORBIDDEN.items():
        assert not pattern.search(ended.err + ended.out), f"{what} from {words}: {ended.err[-2000:]}"
    assert ended.status == status, f"{words}: {ended.status}\n{ended.err[-2000:]}"
