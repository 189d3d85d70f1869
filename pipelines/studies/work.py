"""What a worker does with one job. Runs in another process, perhaps on another machine: only specs arrive here."""

import functools
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.errors import InvalidInputError, TransferBenchError, sentence
from extract.runtime.devices import limited_threads, torch_runs_on
from extract.runtime.machine import cuda_device_count, thread_count
from pipelines.specs import locate_images, resolve_head, resolve_network
from pipelines.studies.jobs import Job
from pipelines.studies.leases import leased
from pipelines.workspace import records
from pipelines.workspace.context import Context

ORPHAN_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Place:
    """Where a job runs: the workspace, the devices it may lease (none: the worker's own), what it shares.

    `slots` jobs share the cores of a machine (None: the threads are left as they are). `parent` is the process
    that a local worker must not outlive.
    """

    workspace: Path
    devices: tuple[str, ...] = ("cpu",)
    slots: int | None = None
    parent: int | None = None


@dataclass(frozen=True)
class Hello:
    """What a worker says of itself before it is trusted with work."""

    sees_workspace: bool
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a job: "computed" or "cached", or "failed" with `error`.

    `run` is the run whose record tells of it; None for an extraction, and for a failure that is not recorded yet.
    `refused` says that the failure is the user's mistake, which leaves no record.
    """

    status: str
    run: str | None = None
    error: str = ""
    seconds: float = 0.0
    refused: bool = False


def hello(probe: Path) -> Hello:
    """Whether this worker sees the file `probe` of the shared workspace, and the devices it has."""
    return Hello(probe.is_file(), own_devices())


def own_devices() -> tuple[str, ...]:
    """The devices of this machine that jobs can have: its GPUs, or its processors where it has none."""
    return tuple(f"cuda:{index}" for index in range(cuda_device_count()) if torch_runs_on(index)) or ("cpu",)


def work(job: Job, place: Place) -> Outcome:
    """Does the job and returns its outcome; an error becomes one, so that the rest goes on."""
    if place.parent not in (None, os.getpid()):
        _follow(place.parent)
    threads = None if place.slots is None else max(thread_count() // place.slots, 1)
    if threads is not None:
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(threads))
    with leased(place.devices or own_devices()) as device, limited_threads(threads):
        return done(job, Context(place.workspace, device))


def done(job: Job, context: Context) -> Outcome:
    """The outcome of a job in a context."""
    begun = time.perf_counter()
    try:
        record = _stage(job, context)
    except Exception as error:
        if _is_interruption(error):
            raise KeyboardInterrupt from error
        seconds, refused = time.perf_counter() - begun, isinstance(error, InvalidInputError)
        return Outcome("failed", None if refused else _failed_run(job, context), sentence(error), seconds, refused)
    status = "cached" if record["cached"] else "computed"
    return Outcome(status, record.get("run"), seconds=time.perf_counter() - begun)


def _stage(job: Job, context: Context) -> dict[str, Any]:
    from pipelines.tasks import stages

    if job.network is not None:
        return stages.train(job.network, context)
    assert job.features is not None
    if job.head is None:
        return stages.extract(job.features, context)
    with stages.validation_features(job.features, context) as features:
        return stages.fit_head(job.head, context, features_path=Path(features["path"]))


def _failed_run(job: Job, context: Context) -> str | None:
    """The run under which the stage itself has recorded the failure of a job; None where it got not that far."""
    try:
        run = _run(job, context)
        return run if run is not None and records.read(context.workspace, run)["status"] == "failed" else None
    except TransferBenchError:
        return None


def _run(job: Job, context: Context) -> str | None:
    """The run that a job's record has; None for an extraction, and for a head whose features are not there."""
    from pipelines.tasks import stages

    workspace = context.workspace
    if job.network is not None:
        located = locate_images(job.network, workspace)
        return resolve_network(job.network, located=located, device=context.device, workspace=workspace).run()
    if job.head is None or job.features is None:
        return None
    features = stages.kept_features(job.features, context)
    return None if features is None else resolve_head(job.head, features=features["content"]).run()


def _is_interruption(error: Exception) -> bool:
    """Whether a training stopped because the process was asked to end: then the batch ends, too."""
    from finetune.training.loop import TrainingInterruptedError

    return isinstance(error, TrainingInterruptedError)


@functools.cache
def _follow(parent: int) -> None:
    """Ends this process soon after `parent` has ended: nobody is left who would use what it computes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="follow-parent").start()
