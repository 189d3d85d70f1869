"""Several processes search together, and a killed search goes on: `searching.py` does it with real processes."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")


@pytest.fixture(scope="module")
def said(tmp_path_factory, in_process) -> list[str]:
    return in_process(Path(__file__).with_name("searching.py"), tmp_path_factory.mktemp("searching")).splitlines()


@pytest.mark.long
def test_three_processes_share_one_search_and_no_trial_is_lost_or_run_twice(said):
    assert said[:1] == ["each once"], said


def test_killed_at_random_and_started_again_a_search_ends_as_if_it_never_was(said):
    assert said[1:2] == ["equal to the uninterrupted one"], said
