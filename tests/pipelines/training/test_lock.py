"""Two processes that are asked for the same network: one trains it, the other answers the same."""

import json
import os
from pathlib import Path

import pytest

from pipelines.specs import NetworkSpec
from pipelines.tasks import stages
from pipelines.workspace import cache, records
from pipelines.workspace.context import Context


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_of_two_processes_at_once_one_trains_and_both_answer_the_same(tmp_path, in_process):
    in_process(Path(__file__).with_name("twins.py"), tmp_path)
    answers = [json.loads((tmp_path / name).read_text()) for name in ("one.json", "other.json")]
    first, second = sorted(answers, key=lambda answer: answer["cached"])
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    waiting = f"another process trains {first['run']} already; waiting until it ends"
    assert (first.pop("said"), second.pop("said")) == ([], [waiting])
    assert first == second
    (record,), problems = records.read_all(tmp_path / "workspace")
    assert (record.status, problems) == ("done", [])
    assert records.intact(tmp_path / "workspace", record.run)
    assert not (tmp_path / "workspace" / "checkpoints" / record.run).exists()


def test_a_plan_that_only_looks_waits_for_nobody_and_makes_nothing(tmp_path):
    with cache.looking(), pytest.raises(cache.CacheMissError):
        stages.train(NetworkSpec.of(dataset="digits", image_size=8), Context(tmp_path / "workspace"))
    assert not (tmp_path / "workspace").exists()
