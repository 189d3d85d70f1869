"""One job in a worker: a process of its own, perhaps on another machine, which only specs reach.

Among the jobs of studies a GPU belongs to one at a time, on the machine, whoever started them. Single commands
(`pipeline train` beside a study) take no lease: they use the device that they are given. A lease is a locked file in
the system's temporary directory; the system frees it when its process dies.
"""

import contextlib
import dataclasses
import functools
import getpass
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.errors import InvalidInputError, sentence
from extract.runtime.devices import limited_threads, torch_runs_on
from extract.runtime.locks import Lock, Patience
from extract.runtime.machine import core_count, cuda_device_count, thread_count
from pipelines.studies.jobs import ABLATE, Job
from pipelines.workspace import records
from pipelines.workspace.context import Context

ORPHAN_POLL_SECONDS = 1.0
LEASE_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class WorkerSetup:
    """The surroundings of a job: the workspace, the devices it may lease (none: the worker's own), what it shares.

    `slots` jobs share the cores of a machine (None: the threads are left as they are). `parent` is the process
    that a local worker must not outlive; `study` the name of the one that it works for.
    """

    workspace: Path
    devices: tuple[str, ...] = ("cpu",)
    slots: int | None = None
    parent: int | None = None
    study: str | None = None


@dataclass(frozen=True)
class JobResult:
    """Result of a job: "computed" or "cached", or "failed" with `error`.

    `run` is the run whose record tells of it; None for an extraction, and for a failure that is not recorded yet.
    `refused` says that the failure is the user's mistake, which leaves no record. `notices` are those of its data
    (`Context.notices`) and `messages` the others that a worker's job gave: no terminal hears a worker.
    """

    status: str
    run: str | None = None
    error: str = ""
    seconds: float = 0.0
    refused: bool = False
    notices: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


def sees(probe: Path) -> bool:
    """True where this worker sees the file `probe` of the shared workspace."""
    return probe.is_file()


def own_devices() -> tuple[str, ...]:
    """The devices of this machine that jobs can have: its GPUs, or its processors where it has none."""
    return tuple(f"cuda:{index}" for index in range(cuda_device_count()) if torch_runs_on(index)) or ("cpu",)


def work(job: Job, setup: WorkerSetup) -> JobResult:
    """Do the job and return its result; an error becomes one, so that the rest goes on."""
    if setup.parent not in (None, os.getpid()):
        _follow(setup.parent)
    threads = None
    if setup.slots is not None:
        # An engine may have shared the threads out already, through the same variable, which all pools of threads obey.
        threads = min(thread_count(), max(core_count() // setup.slots, 1))
        if threads < core_count():
            os.environ["OMP_NUM_THREADS"] = str(threads)
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(threads))
    with leased(setup.devices or own_devices()) as device, limited_threads(threads):
        share = 1 / setup.slots if setup.slots and device == "cpu" else 1.0
        context, said = Context(setup.workspace, device, share=share, study=setup.study), list[str]()
        if job.shard is not None:  # the command itself tells of the whole; shards that follow find an equal context
            return result_of(job, context)
        result = result_of(job, dataclasses.replace(context, notice=said.append))
        messages = [one for one in said if one not in context.notices]
        return dataclasses.replace(result, notices=tuple(context.notices), messages=tuple(messages))


def result_of(job: Job, context: Context) -> JobResult:
    """Do the job in a context and return its result."""
    begun = time.perf_counter()
    with records.failures() as recorded:
        try:
            is_cached, run = _computed(job, context)
        except Exception as error:
            from finetune.training.loop import TrainingInterruptedError

            if isinstance(error, TrainingInterruptedError):  # the process was asked to end: then the study ends, too
                raise KeyboardInterrupt from error
            refused = isinstance(error, InvalidInputError)
            run = recorded[-1] if recorded and not refused else None
            return JobResult("failed", run, sentence(error), time.perf_counter() - begun, refused)
    return JobResult("cached" if is_cached else "computed", run, seconds=time.perf_counter() - begun)


def _computed(job: Job, context: Context) -> tuple[bool, str | None]:
    """(whether the cache had it, the run of its record or None for an extraction)."""
    from pipelines.tasks import shards
    from pipelines.tasks.extract import extract, pinned_features
    from pipelines.tasks.fit_head import fitted_head
    from pipelines.tasks.train import train
    from pipelines.tasks.validate import validated

    if job.shard is not None:
        return shards.compute(job.extract_spec, job.shard, context), None
    if job.network is None and job.head is None:
        return extract(job.extract_spec, context).cached, None
    if job.network is not None:
        found = (validated if job.command == ABLATE else train)(job.network, context)
    else:
        assert job.head is not None
        with pinned_features(job.extract_spec, context) as features:
            found = fitted_head(job.head, context, features_path=features.path)
    return found.cached, found.record.run


@functools.cache
def _follow(parent: int) -> None:
    """Ends this process soon after `parent` has ended: nobody is left who would use what it computes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="follow-parent").start()


@contextlib.contextmanager
def leased(devices: Sequence[str]) -> Iterator[str]:
    """One of `devices` ("cpu", "cuda:0", ...), nobody else's while the body runs; waits until one is free.

    Processors are shared by threads, not leased: "cpu" is given at once.
    """
    if "cpu" in devices:
        yield "cpu"
        return
    device, lock = _first_free(devices)
    try:
        yield device
    finally:
        lock.free()


def _first_free(devices: Sequence[str]) -> tuple[str, Lock]:
    patience = Patience(" and ".join(devices), poll_seconds=LEASE_POLL_SECONDS)
    while True:
        for device in devices:
            lock = Lock(lock_file(device))
            if lock.take(within=0.0):
                return device, lock
        patience.step()


def lock_file(device: str) -> Path:
    """The lock of "cuda:N", named by the physical device where CUDA_VISIBLE_DEVICES renumbers them."""
    index = int(device.partition(":")[2] or 0)
    visible = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    physical = visible[index] if index < len(visible) else str(index)
    # The user's number, for one in a container may have no name; the name where the system has no numbers.
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = Path(tempfile.gettempdir()) / f"transfer-bench-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"cuda-{''.join(one for one in physical if one.isalnum() or one == '-')}.lock"
