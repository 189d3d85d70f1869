"""Processes that train together: each has its own GPU, and a failure of the first ends the others too."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from extract.errors import InvalidInputError
from pipelines.specs import NetworkSpec
from pipelines.tasks.train import train
from pipelines.training import processes
from pipelines.workspace import cache, records
from pipelines.workspace.context import Context
from tests.pipelines.training.small import TINY

SCRIPT = Path(__file__).with_name("turns.py")
PAIR = Path(__file__).parents[2] / "pair.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which this system cannot")
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_the_first_works_before_the_others_and_where_it_fails_they_fail_with_its_sentence(tmp_path, in_process):
    in_process(PAIR, SCRIPT, tmp_path)
    first, second = ((tmp_path / f"rank{rank}.txt").read_text().splitlines() for rank in range(2))
    assert first == ["by the first", "InvalidInputError: data must be a folder; got none. Name one."]
    assert second[0] == "by the first"
    assert second[1].startswith(
        "TransferBenchError: the first process must have made what the others need; got a failure"
    )
    assert "data must be a folder; got none. Name one. Repair that" in second[1]


MARKS = {"RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
MARKS["TORCHELASTIC_RUN_ID"] = "test"


@pytest.mark.parametrize(("device", "backend"), [("cuda", "cpu:gloo,cuda:nccl"), ("cpu", "gloo")])
def test_every_process_takes_its_own_gpu_before_it_joins_and_messages_need_none(monkeypatch, tmp_path, device, backend):
    did = []
    for name, value in MARKS.items():
        monkeypatch.setenv(name, value)
    store = torch.distributed.HashStore()
    monkeypatch.setattr(torch.cuda, "set_device", lambda place: did.append(("device", place)))
    monkeypatch.setattr(torch.distributed, "rendezvous", lambda url, timeout: iter([(store, 3, 4)]))
    monkeypatch.setattr(
        torch.distributed,
        "init_process_group",
        lambda name, store, rank, world_size, timeout: did.append((name, rank, world_size, timeout.total_seconds())),
    )
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: did.append("left"))
    with processes.torchrun_group(), processes.joined(Context(tmp_path, device)) as here:
        assert here.device == ("cuda:3" if device == "cuda" else "cpu")
    assert did == [*([("device", 3)] if device == "cuda" else []), (backend, 3, 4, 300.0), "left"]


@pytest.mark.parametrize("lacking", sorted(MARKS))
def test_marks_that_a_cluster_left_behind_mean_nothing(monkeypatch, lacking):
    for name, value in MARKS.items():
        monkeypatch.setenv(name, value)
    with processes.torchrun_group():
        assert (processes.count(), processes.rank()) == (4, 3)
    assert (processes.count(), processes.rank()) == (1, 0)  # in any other command
    monkeypatch.delenv(lacking)
    with processes.torchrun_group():
        assert (processes.count(), processes.rank()) == (1, 0)


def test_a_mark_that_is_no_number_is_refused_where_a_group_is_meant(monkeypatch):
    for name, value in {**MARKS, "RANK": "abc"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError, match="RANK must be a whole number; got 'abc'"), processes.torchrun_group():
        pass


def test_who_waits_for_others_to_start_obeys_a_signal(monkeypatch, tmp_path):
    for name, value in MARKS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.distributed, "rendezvous", lambda *_, **__: time.sleep(30))

    def obey(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, obey)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), processes.torchrun_group(), processes.joined(Context(tmp_path)):
            pass
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun < 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_of_two_processes_at_once_one_trains_and_both_answer_the_same(tmp_path, in_process):
    in_process(Path(__file__).with_name("twins.py"), tmp_path, json.dumps({**TINY, "epochs": 4}))
    answers = [json.loads((tmp_path / name).read_text()) for name in ("one.json", "other.json")]
    first, second = sorted(answers, key=lambda answer: answer["cached"])
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    waiting = f"another process trains {first['run']} already; waiting until it ends"
    assert (first.pop("said"), second.pop("said")) == ([], [waiting])
    assert first.pop("last") != second.pop("last") == "waiting for the process that trains it"
    assert first == second
    (record,), problems = records.read_all(tmp_path / "workspace")
    assert (record.status, problems) == ("done", [])
    assert records.intact(tmp_path / "workspace", record.run)
    assert not (tmp_path / "workspace" / "checkpoints" / record.run).exists()


def test_a_plan_that_only_looks_waits_for_nobody_and_makes_nothing(tmp_path):
    with cache.looking(), pytest.raises(cache.CacheMissError):
        train(NetworkSpec.of(dataset="digits", image_size=8), Context(tmp_path / "workspace"))
    assert not (tmp_path / "workspace").exists()
