"""What a worker does with a job: the threads and the devices that it takes, and its results."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from extract.runtime import machine
from pipelines.studies import study_file, worker


def test_job_threads_never_outnumber_the_cores(monkeypatch):
    import torch

    seen = []
    done = worker.JobResult("computed")
    monkeypatch.setattr(worker, "result_of", lambda *_: seen.append(torch.get_num_threads()) or done)
    (job,) = study_file.parse("jobs: [{command: extract}]").jobs
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    for cores, slots, given, expected in (
        (8, 3, 8, 2),
        (2, 2, 2, 1),
        (2, 5, 2, 1),
        (4, 1, 4, 4),
        (8, 2, 4, 4),
        (8, 2, 1, 1),
    ):
        monkeypatch.setattr(machine, "core_count", lambda cores=cores: cores)
        monkeypatch.setattr(worker, "core_count", lambda cores=cores: cores)
        monkeypatch.setenv("OMP_NUM_THREADS", str(given))  # as an engine may have shared them out already
        for _ in range(2):
            worker.work(job, worker.WorkerSetup(Path("nowhere"), ("cpu",), slots))
            assert seen[-1] == machine.thread_count() == expected


def test_a_gpu_is_leased_to_one_job_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(worker.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(worker, "LEASE_POLL_SECONDS", 0.01)
    inside: dict[str, int] = {"cuda:0": 0, "cuda:1": 0}
    most, used = [0], set()

    def job() -> None:
        with worker.leased(["cuda:0", "cuda:1"]) as device:
            inside[device] += 1
            most[0] = max(most[0], inside[device])
            used.add(device)
            time.sleep(0.02)
            inside[device] -= 1

    threads = [threading.Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert used == {"cuda:0", "cuda:1"}


def test_a_lease_is_the_machine_s_not_the_process_s(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(worker.tempfile, "tempdir", None)
    hold = (
        "import time; from pipelines.studies.worker import leased\n"
        "with leased(['cuda:0']): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with worker.leased(["cuda:0", "cuda:1"]) as device:
        assert device == "cuda:1"
    holder.kill()
    holder.wait()
    with worker.leased(["cuda:0", "cuda:1"]) as device:
        assert device == "cuda:0"


def test_a_lease_follows_the_physical_device(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc")
    assert worker.lock_file("cuda:0").name == "cuda-3.lock"
    assert worker.lock_file("cuda:1").name == "cuda-GPU-abc.lock"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert worker.lock_file("cuda:3").name == "cuda-3.lock"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users have names here")
def test_a_user_without_a_name_has_leases_too(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert worker.lock_file("cuda:0").parent.name == "transfer-bench-54321"
    worker.lock_file("cuda:0").parent.rmdir()
