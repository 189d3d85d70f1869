"""What libraries say stays off the terminal; what this project says to its user reaches it."""

import logging
import threading
import warnings
from pathlib import Path

import pytest

from extract.runtime import locks
from tests.pipelines.fitting import TINY

SAYS = ["an old argument", "a hint for programmers", "printed by a library"]


@pytest.fixture
def chatty(monkeypatch):
    """`pipeline cache` uses a library that warns, logs and prints."""

    def inventory(workspace):
        warnings.warn(SAYS[0], FutureWarning, stacklevel=1)
        logging.getLogger("somewhere").warning(SAYS[1])
        print(SAYS[2])
        return []

    monkeypatch.setattr("pipelines.workspace.inventory.inventory", inventory)


@pytest.mark.usefixtures("chatty")
def test_warnings_and_log_lines_of_libraries_are_dropped_and_their_prints_are_no_answer(pipeline):
    ended = pipeline("cache", "--json")
    assert ended.json["bytes"] == 0
    assert ended.err == f"{SAYS[2]}\n"


@pytest.mark.usefixtures("chatty")
def test_debug_shows_what_libraries_say(pipeline):
    with pytest.warns(FutureWarning, match=SAYS[0]):  # pytest stands in the way of stderr here
        assert pipeline("cache", "--debug").status == 0


@pytest.mark.parametrize("quiet", [False, True])
def test_who_waits_for_another_process_says_so(pipeline, monkeypatch, quiet):
    monkeypatch.setattr(locks, "NOTICE_SECONDS", 0.1)
    path = Path(pipeline("extract", *TINY, "--subset", 20, "--test-subset", 20, "--json").json["path"])
    path.unlink()
    held = locks.Lock(Path(f"{path}.lock"))
    assert held.take(within=0.0)
    threading.Timer(0.5, held.free).start()
    words = [*TINY, "--subset", 20, "--test-subset", 20, *(["--quiet"] if quiet else [])]
    ended = pipeline("extract", *words)
    assert ended.status == 0
    assert ("waiting for another process, which holds" in ended.err) != quiet
    assert ".py:" not in ended.err
    assert (ended.err == "") == quiet


@pytest.mark.parametrize("words", [("--quiet", "cache"), ("cache", "--quiet")])
def test_errors_are_told_in_spite_of_quiet(pipeline, words, monkeypatch):
    def fail(workspace):
        raise KeyError("run")

    monkeypatch.setattr("pipelines.workspace.inventory.inventory", fail)
    ended = pipeline(*words)
    assert ended.status in (1, 2)
    assert ended.err.startswith("error: ")
    assert "KeyError" not in ended.err
