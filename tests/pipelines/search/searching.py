"""Run by test_search_processes.py in a process of its own: searches that are killed, and several at once.

Children are forked from here, with torch imported but never used, so that a kill costs no import.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from extract.errors import TransferBenchError
from pipelines.search import HeadSubject, SearchSpec, Subject, search
from pipelines.specs import ExtractSpec, HeadSpec
from pipelines.tasks.extract import extract
from pipelines.workspace.context import Context

TRIALS = 15
SPACE = {"C": {"low": 1e-5, "high": 1e3, "log": True}}


class Noted(HeadSubject):
    """A logistic head whose trials leave a line each when they begin and when they end."""

    def score_trial(self, options, watch, context):
        note(context.workspace, "begun", options["C"])
        time.sleep(0.02)
        outcome = super().score_trial(options, watch, context)
        note(context.workspace, "ended", options["C"])
        return outcome


def note(workspace: Path, what: str, value: object) -> None:
    file = os.open(workspace / f"{what}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(file, f"{value!r}\n".encode())
    os.close(file)


def noted(workspace: Path, what: str) -> list[float]:
    path = workspace / f"{what}.log"
    return [float(line) for line in path.read_text().splitlines()] if path.exists() else []


def subject(features: Path) -> HeadSubject:
    return Noted(HeadSpec("logistic"), features=lambda: features)


def start(workspace: Path, features: Path) -> int:
    """The process id of a child that searches in `workspace`."""
    child = os.fork()
    if child:
        return child
    torch.set_num_threads(1)
    try:
        search(subject(features), SearchSpec(SPACE, trials=TRIALS, name="shared"), Context(workspace))
    except TransferBenchError as error:
        print(error, file=sys.stderr)
        os._exit(1)
    os._exit(0)


def finish(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def result(workspace: Path) -> dict:
    return json.loads((workspace / "searches" / "shared" / "result.json").read_text())


def told(workspace: Path) -> list[tuple]:
    return [(one["number"], one["state"], one["params"]["C"], one["value"]) for one in result(workspace)["trials"]]


def several_at_once(root: Path, features: Path) -> None:
    """Three processes share the trials of one search: each is run once, by one of them."""
    workspace = root / "together"
    workspace.mkdir()
    children = [start(workspace, features) for _ in range(3)]
    assert [finish(child) for child in children] == [0, 0, 0]
    trials = told(workspace)
    assert [one[0] for one in trials] == list(range(TRIALS))
    assert {one[1] for one in trials} == {"complete"}
    assert len({one[2] for one in trials}) == TRIALS  # no two processes drew alike
    assert sorted(noted(workspace, "begun")) == sorted(one[2] for one in trials)
    runs = [path.parent.name for path in (workspace / "runs").glob("*/record.json")]
    assert runs == [result(workspace)["best_run"]]  # one winner, refitted and scored once
    print("each once")


def killed(root: Path, features: Path) -> None:
    """Killed at random moments and started again, a search ends as if it never was."""
    reference, workspace = root / "reference", root / "killed"
    for place in (reference, workspace):
        place.mkdir()
    begun = time.perf_counter()
    assert finish(start(reference, features)) == 0
    whole_seconds = time.perf_counter() - begun
    chance, kills = random.Random(0), 0
    for _ in range(6):
        child = start(workspace, features)
        time.sleep(chance.uniform(0.02, 0.3) * whole_seconds)
        os.kill(child, signal.SIGKILL)
        kills += finish(child) != 0
    assert finish(start(workspace, features)) == 0
    assert kills
    assert told(workspace) == told(reference)
    assert result(workspace)["best_run"] == result(reference)["best_run"]
    assert len(noted(workspace, "ended")) <= TRIALS + kills  # only a trial that was cut short was run again
    print("equal to the uninterrupted one")


def features_of(root: Path) -> Path:
    spec = ExtractSpec(
        backbone="test_resnet", weights="untrained", dataset="digits", image_size=32, subset=300, test_subset=100
    )
    return extract(spec, Context(root / "features")).path


if __name__ == "__main__":
    import optuna.importance  # noqa: F401 (imported once, for all children)

    root = Path(sys.argv[1])
    features = features_of(root)
    several_at_once(root, features)
    killed(root, features)


class Scripted(Subject):
    """What a trial does stands in `script`, by option x: an accuracy, or an exception to raise."""

    label, what = "scripted", "the scripted head"

    def __init__(self, script, real):
        self.script, self.real, self.scored = script, real, []

    def known(self):
        return {"x": None, "y": None}

    def default_space(self):
        return {"x": list(self.script)}

    def key(self):
        return {}

    def check(self, options):
        pass

    check_rows = check

    def score_trial(self, options, watch, context):
        self.scored.append(options["x"])
        found = self.script[options["x"]]
        if callable(found):
            return found(watch)
        if isinstance(found, BaseException):
            raise found
        return found

    def settle(self, options, context, folder):
        return self.real.settle({}, context, folder)
