"""Killed at any moment and started again, an extraction gives the file of an uninterrupted one."""

import os
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")


@pytest.mark.long
def test_killed_twelve_times_or_asked_for_twice_at_once_the_file_is_that_of_an_uninterrupted_run(tmp_path, in_process):
    killed, twice = in_process(SCRIPT, tmp_path).splitlines()
    assert killed.startswith("12 kills")
    assert twice == "one result"
