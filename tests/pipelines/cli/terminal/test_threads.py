"""`--threads`, and how many threads compute without it."""

import os

import psutil
import pytest
import torch

from extract.runtime import devices
from extract.runtime.devices import SHARED_FROM_FLOPS, threads_for
from extract.runtime.machine import idle_cores, thread_count
from finetune.architectures import networks
from finetune.training.engine import step_threads
from pipelines.cli.terminal.process import THREAD_COUNTS


@pytest.fixture
def two_threads():
    """torch with two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_threads_count_for_torch_for_decoding_and_for_other_processes(pipeline, monkeypatch, two_threads):
    for name in THREAD_COUNTS:
        monkeypatch.setenv(name, "2")
    assert "must hold runs to report" in pipeline("report", "--threads", "1").err
    assert torch.get_num_threads() == thread_count() == 1
    assert {os.environ[name] for name in THREAD_COUNTS} == {"1"}


@pytest.mark.parametrize("count", ["0", "-2"])
def test_a_number_of_threads_below_1_is_refused(pipeline, count):
    found = pipeline("report", "--threads", count)
    assert found.status == 2
    assert f"threads must be a whole number from 1; got {count}" in found.err


@pytest.mark.parametrize(("idle", "expected"), [(2.0, 2), (1.6, 2), (1.1, 1), (0.2, 1), (60.0, 2)])
def test_a_busy_machine_gets_a_thread_for_each_idle_core(monkeypatch, two_threads, idle, expected):
    monkeypatch.setattr(devices, "idle_cores", lambda: idle)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads_for(10 * SHARED_FROM_FLOPS, operators=10) == expected
    assert threads_for(10 * SHARED_FROM_FLOPS - 1, operators=10) == 1  # too small to share
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # as --threads does
    assert threads_for(10 * SHARED_FROM_FLOPS, operators=10) == 2
    assert threads_for(10 * SHARED_FROM_FLOPS - 1, operators=10) == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to cores")
def test_idle_is_what_others_leave_of_the_cores_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 3})
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval, percpu: [100.0, 0.0, 50.0, 0.0])
    assert idle_cores() == 1.5


@pytest.mark.parametrize(("side", "expected"), [(8, 1), (64, 2)])
def test_a_training_of_tiny_images_runs_on_one_thread(monkeypatch, two_threads, side, expected):
    monkeypatch.setattr(devices, "idle_cores", lambda: 2.0)
    network = networks.build("resnet20", n_classes=10, image_size=side, options={"width": 0.5})
    assert step_threads(network, rows=64, image_size=(side, side), device=torch.device("cpu")) == expected
