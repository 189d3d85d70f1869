"""Killed at any moment and started again, an extraction gives the file of an uninterrupted one."""

import os
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")


@pytest.mark.long
def test_killed_thirty_times_the_file_is_that_of_an_uninterrupted_run(tmp_path, in_process):
    assert in_process(SCRIPT, "kill", tmp_path).startswith("30 kills")


@pytest.mark.long
def test_two_processes_asked_for_the_same_file_leave_one_whole(tmp_path, in_process):
    assert in_process(SCRIPT, "two", tmp_path) == "one result\n"
