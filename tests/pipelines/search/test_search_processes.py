"""Several processes search together, and a killed search goes on: `searching.py` does it with real processes."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")


@pytest.mark.long
def test_three_processes_share_one_search_and_a_killed_one_ends_as_if_it_never_was(tmp_path, in_process):
    said = in_process(Path(__file__).with_name("searching.py"), tmp_path).splitlines()
    assert said == ["each once", "equal to the uninterrupted one"]
