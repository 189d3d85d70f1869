"""The ends of stdout and stderr, in processes of their own, whose streams these are."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCRIPT = "import sys; sys.argv[0] = 'pipeline'; from pipelines.cli import main; main()"
FULL = Path("/dev/full")


def started(*words, environment=None, script=SCRIPT, **streams):
    """`pipeline WORDS...` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)], env={**os.environ, **(environment or {})}, **streams
    )


def ended(*words, **more):
    """(exit status, stdout, stderr) of `pipeline WORDS...`."""
    process = started(*words, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("words", [("--help",), ("cache",), ("cache", "--json")])
def test_a_closed_pipe_ends_in_silence_with_the_status_of_other_tools(words, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    status, _, err = ended(*words, environment={"PIPELINE_WORKSPACE": str(tmp_path)}, stdout=writer)
    os.close(writer)
    assert (status, err) == (128 + signal.SIGPIPE, b"")


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("words", [("--help",), ("cache", "--json")])
def test_a_full_disk_under_stdout_is_one_sentence(words, tmp_path):
    with FULL.open("w") as full:
        status, _, err = ended(*words, environment={"PIPELINE_WORKSPACE": str(tmp_path)}, stdout=full)
    assert status == 1
    assert (
        err.decode()
        == "error: stdout must take the answer; writing it failed (No space left on device). Send it elsewhere.\n"
    )


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
def test_a_stderr_that_takes_nothing_costs_no_answer(tmp_path):
    (tmp_path / "runs" / ("0" * 12)).mkdir(parents=True)
    (tmp_path / "runs" / ("0" * 12) / "record.json").write_text("{")
    with FULL.open("w") as full:
        status, out, _ = ended("runs", "--json", "--workspace", tmp_path, stderr=full)
    assert status == 0
    assert json.loads(out)["problems"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_every_encoding_takes_every_text(encoding, tmp_path):
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    status, out, err = ended("cache", "--workspace", tmp_path / "Blüte–画", environment=environment)
    assert (status, err) == (0, b"")
    assert out.endswith(rb"te\u2013\u753b" + b"\n")
    status, out, err = ended("cache", "--json", "--workspace", tmp_path / "Blüte–画", environment=environment)
    assert json.loads(out.decode(encoding))["workspace"] == str(tmp_path / "Blüte–画")
    status, _, err = ended("Blüte–画", environment=environment)
    assert status == 2
    assert err.startswith(b"error: unknown command 'Bl")


def test_a_signal_after_the_answer_does_not_change_the_status(tmp_path):
    late = "import atexit, time; atexit.register(time.sleep, 20); "  # as slow an end as that of any library
    process = started("cache", "--workspace", tmp_path, script=late + SCRIPT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    begun = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
        time.sleep(0.05)
    while process.poll() is None and time.monotonic() - begun < 15:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert process.wait(timeout=10) == 0
    assert time.monotonic() - begun < 15  # and they hurry what is left to do


def test_exit_handlers_run_and_the_interpreter_is_not_taken_apart(tmp_path):
    script = (
        "import atexit\n"
        "class Slow:\n    def __del__(self): print('taken apart')\n"
        "kept = Slow(); atexit.register(print, 'handled')\n" + SCRIPT
    )
    status, out, _ = ended("cache", "--workspace", tmp_path, script=script)
    assert status == 0
    assert out.splitlines()[1:] == [b"handled"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pipeline extrct ", None),
        ("pipeline cache trm ", None),
        ("pipeline fit-head --hed mlp ", None),
        ("pipeline fit-head --seed none --", None),
        ("pipeline ext", "extract"),
        ("pipeline extract --backb", "--backbone"),
    ],
)
def test_a_shell_that_asks_how_a_line_goes_on_gets_no_error_into_its_prompt(line, expected, monkeypatch, pipeline):
    words = line.split(" ")
    for name, value in {
        "_PIPELINE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }.items():
        monkeypatch.setenv(name, value)
    found = pipeline("runs")
    assert found.err == ""
    assert "error" not in found.out
    if expected is not None:
        assert f"plain,{expected}" in found.out.splitlines()


def read_all(terminal):
    """What was written to a terminal before its other end was closed."""
    raw = bytearray()
    with contextlib.suppress(OSError):  # which is what Linux says then
        while piece := os.read(terminal, 4096):
            raw += piece
    os.close(terminal)
    return raw


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a script is given a terminal by fork, which this system cannot")
def test_on_a_real_terminal_an_epoch_leaves_its_line_and_nothing_else_stays(tmp_path, launched, monkeypatch):
    import pyte

    words = ("train", "--network", "resnet20", "--width", "0.25", "--dataset", "digits", "--epochs", "2")
    (tmp_path / "command.py").write_text(SCRIPT)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PIPELINE_WORKSPACE", str(tmp_path))
    mine, theirs = pty.openpty()
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(read_all, mine)
        sizes = ("--subset", "200", "--test-subset", "50")
        status = launched([str(tmp_path / "command.py"), *words, *sizes], [os.ttyname(theirs)] * 3)
        os.close(theirs)
        raw = read.result()
    assert status == 0
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(bytes(raw))
    lines = [line.rstrip() for line in screen.display if line.strip()]
    assert [line.partition("  loss")[0] for line in lines[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert lines[2].startswith("resnet20 width 0.25 from scratch")
    assert b"\xe2\x94\x80" in raw  # there was a bar
    assert not any("─" in line for line in lines)
