"""Killed at any moment and started again, an extraction gives the file of an uninterrupted one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")


def run(mode: str, root: Path) -> str:
    script = Path(__file__).with_name("killed.py")
    ended = subprocess.run(
        [sys.executable, str(script), mode, str(root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.long
def test_killed_thirty_times_the_file_is_that_of_an_uninterrupted_run(tmp_path):
    assert run("kill", tmp_path).startswith("30 kills")


@pytest.mark.long
def test_two_processes_asked_for_the_same_file_leave_one_whole(tmp_path):
    assert run("two", tmp_path) == "one result\n"
