"""What a command answers in a child of this process, without times; and what is wrong about an answer."""

import json
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workspaces import command_line

PATIENCE_SECONDS = 60.0
REFUSED = re.compile(r"Traceback|error: \w+(Error|Exception)\b|\.py:\d+: \w*Warning")
VARYING = re.compile(r"seconds|created|per_second|memory|^timing$|^cached$|^computed$|^status$|^path$|^csv$|^jobs$")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00| UTC)?")
SAYS = re.compile(r"whole|damaged|altered|cut short|no image|cannot be|must be|left out|computed again")
Words = tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """How a command ended: exit status, the JSON on stdout without times, stderr; `page` of a report, without times."""

    status: int
    values: Any
    said: str
    page: str = ""


def ask(words: Words, workspace: Path, root: Path, *, page: Path | None) -> Answer:
    """The answer of a command, whose streams go to files in `root`, and the `page` that it wrote."""
    out, err = root / "stdout", root / "stderr"
    child = os.fork()
    if child == 0:
        _become(words, workspace, out, err)
    until = time.monotonic() + PATIENCE_SECONDS
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Answer(-99, None, "it hung")
        time.sleep(0.005)
    text = out.read_text(errors="replace")
    try:
        values = _timeless(json.loads(text))
    except ValueError:
        values = f"no JSON: {text[:200]}"
    if words[0] == "run" and isinstance(values, dict):  # what is planned or computed again is no answer
        values = {name: values.get(name) for name in ("failed", "impossible")}
    shown = MOMENT.sub("#", page.read_text()) if page is not None and page.exists() else ""
    return Answer(os.waitstatus_to_exitcode(ended[1]), values, err.read_text(errors="replace"), shown)


def wrong(found: Answer, whole: Answer, name: str, *, changed: bool) -> str:
    """What must not be, or an empty text."""
    if found.status == -99 or found.status < 0:
        return f"it ended with {found.status}"
    if (refused := REFUSED.search(found.said)) is not None:
        return f"it said {refused[0]!r}: {found.said[-600:]}"
    if isinstance(found.values, str):
        return found.values
    said = SAYS.search(found.said) is not None or Path(name).name in found.said
    if changed and (found.status != 0 or said):
        return ""
    if found.status != whole.status:
        return f"it ended with {found.status}: {found.said[-300:]}"
    if found.values != whole.values:
        return f"another answer: {_first(found.values, whole.values)}"
    return "another page" if found.page != whole.page else ""


def _first(one: Any, other: Any, where: str = "") -> str:
    """Where two values differ first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                return _first(one.get(key), other.get(key), f"{where}.{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            if left != right:
                return _first(left, right, f"{where}[{index}]")
    return f"{where}: {str(one)[:150]} for {str(other)[:150]}"


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if not VARYING.search(key)}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _become(words: Words, workspace: Path, out: Path, err: Path) -> None:
    """Runs the command in this child, never to return."""
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    command_line(words, workspace, "--json")
