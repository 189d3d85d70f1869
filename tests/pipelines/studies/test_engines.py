"""Where the jobs of a batch run: engines, what jobs share of a machine, leases, and workers that die."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from extract.errors import InvalidInputError, UnavailableError
from pipelines.studies import engines, execute, study_file, worker
from pipelines.studies.engines import Engine, Pool
from pipelines.workspace import records
from pipelines.workspace.context import Context

TINY = "defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}\n"
HEAD = "jobs:\n  - {command: fit-head, backbone: test_resnet, c-grid: 1e-2, seed: [0, 1]}\n"


@pytest.fixture
def written(tmp_path):
    """Writes a study file and gives its path."""

    def write(text: str, name: str = "study.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("--engine", "daks"), 2, "unknown engine 'daks'. Nearest: dask."),
        (("--jobs", "0"), 2, "jobs must be at least 1; got 0."),
        (("--scheduler", "host:1"), 2, "scheduler must come with --engine dask or ray"),
        (("--engine", "dask", "--scheduler", "host:1", "--jobs", "2"), 2, "jobs must be left to the cluster"),
        (("--engine", "dask", "--scheduler", "nonsense"), 2, "scheduler must be HOST:PORT or PROTOCOL://HOST:PORT"),
    ],
)
def test_options_that_cannot_be_are_refused(pipeline, written, words, status, sentence):
    ended = pipeline("run", written(TINY + HEAD), *words)
    assert ended.status == status
    assert sentence in ended.err


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_scheduler_that_does_not_answer_is_one_sentence_within_seconds(pipeline, written, engine):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
    begun = time.monotonic()
    ended = pipeline("run", written(TINY + HEAD), "--engine", engine, "--scheduler", address)
    assert time.monotonic() - begun < 20  # most of it the import of the library on a busy machine
    assert ended.status == 1
    assert f"error: {engine} scheduler '{address}' must answer and have workers; it does not" in ended.err
    assert ended.err.count("\n") == 1


def test_a_study_that_is_cached_needs_no_scheduler(pipeline, written):
    pipeline("run", written(TINY + HEAD))
    ended = pipeline("run", written(TINY + HEAD), "--engine", "dask", "--scheduler", "127.0.0.1:1", "--json")
    assert (ended.status, ended.json["cached"]) == (0, 2)


def test_job_threads_never_outnumber_the_cores(monkeypatch):
    import torch

    seen = []
    monkeypatch.setattr(worker, "result_of", lambda job, context: seen.append(torch.get_num_threads()))
    (job,) = study_file.parse("jobs: [{command: extract}]").jobs
    for cores, slots in ((8, 3), (2, 2), (2, 5), (4, 1)):
        monkeypatch.setattr(worker, "thread_count", lambda cores=cores: cores)
        worker.work(job, worker.WorkerSetup(Path("nowhere"), ("cpu",), slots))
        assert seen[-1] == max(cores // slots, 1)


def test_local_workers_share_the_cores_out_among_their_libraries(monkeypatch):
    monkeypatch.setattr(engines, "thread_count", lambda: 4)
    with engines.opened(Engine("loky", 2)) as pool:
        found = dict(pool.map(os.getenv, [(name,) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]))
    assert found == {0: "2", 1: "2"}


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


@dataclasses.dataclass
class MortalPool:
    """A pool of two whose workers die at one job, as a machine short of memory kills them."""

    deadly: str
    jobs: int = 2
    slots: int = 2
    is_local: bool = False

    def map(self, function: Any, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        for index, (job, _) in enumerate(tasks):
            if job.features.backbone == self.deadly:
                raise RuntimeError("a worker was terminated")
            yield index, worker.JobResult("computed")


def test_a_job_that_kills_its_worker_fails_and_the_rest_goes_on(tmp_path):
    names = [f"test_{index}" for index in range(6)]
    text = f"jobs:\n  - {{command: extract, dataset: digits, backbone: [{', '.join(names)}]}}\n"
    found = study_file.parse(text).jobs
    told: dict[str, worker.JobResult] = {}
    context = Context(tmp_path)
    execution = execute.Execution(
        context, ("cpu",), lambda job, outcome: told.update({job.features.backbone: outcome}), listed=frozenset(found)
    )
    execution.through(MortalPool("test_3"), found)
    assert {name: outcome.status for name, outcome in told.items()} == {
        name: "failed" if name == "test_3" else "computed" for name in names
    }
    (record,) = records.read_all(tmp_path)[0]
    assert "its process died" in record["error"]


def test_a_cluster_that_does_not_see_the_workspace_is_refused(tmp_path):
    class Blind(MortalPool):
        def map(self, function: Any, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
            yield 0, worker.Greeting(sees_workspace=False, devices=("cpu",))

    (tmp_path / "cache").mkdir()
    with pytest.raises(UnavailableError, match="workspace must be shared with the workers"):
        execute.must_share(Blind(""), tmp_path)
    assert not list((tmp_path / "cache").iterdir())


def test_engine_refuses_what_excludes_itself():
    with pytest.raises(InvalidInputError, match="scheduler must come with"):
        Engine("loky", None, "host:1")
    assert Engine("ray", None, "host:1").is_remote
    assert not Engine("ray", 2).is_remote


def test_pool_gives_every_result_with_its_index():
    pool = Pool("loky", 2, 2, is_local=True)
    assert sorted(pool.map(divmod, [(7, 2), (9, 4), (5, 5)])) == [(0, (3, 1)), (1, (2, 1)), (2, (1, 0))]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users have names here")
def test_a_user_without_a_name_has_leases_too(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert worker.lock_file("cuda:0").parent.name == "transfer-bench-54321"
    worker.lock_file("cuda:0").parent.rmdir()


def test_ray_leaves_the_signals_to_us_and_keeps_a_cluster_of_our_own_to_this_machine(monkeypatch):
    class Ray:
        def init(self, **_):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as ray does
            assert os.environ[engines.LONE_RAY] == "0"

        def nodes(self):
            return [{"Alive": True, "Resources": {"CPU": 2.0}}]

        def shutdown(self):
            pass

    monkeypatch.delenv(engines.LONE_RAY, raising=False)
    monkeypatch.setattr(engines, "_library", lambda name, engine: Ray())
    monkeypatch.setattr(engines.importlib, "import_module", lambda name: SimpleNamespace(register_ray=lambda: None))
    before = signal.getsignal(signal.SIGTERM)
    with engines.opened(Engine("ray", 2)):
        assert signal.getsignal(signal.SIGTERM) is before
