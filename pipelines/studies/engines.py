"""Execution backends: joblib over processes here (loky), or over a dask or ray cluster. A pool is one, opened."""

import contextlib
import importlib
import logging
import os
import re
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from joblib import Parallel, delayed, parallel_config

from extract.errors import InvalidInputError, UnavailableError, extra
from extract.runtime.machine import thread_count
from pipelines.specs.engine import EngineSpec
from pipelines.workspace import signals

if TYPE_CHECKING:
    from distributed import Client

R = TypeVar("R")
CONNECT_SECONDS = 3.0
WORKERS_SECONDS = 10.0
LOCAL_STARTS = 3
# By its name for others; 0 keeps a ray of our own to 127.0.0.1, where it would listen on every network of the machine.
LONE_RAY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
GREETING_SECONDS = 20.0  # with the import of the library
GREETINGS = {
    "dask": "import sys, distributed; distributed.Client(sys.argv[1], timeout=5).close()",
    "ray": "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False); ray.shutdown()",
}


@dataclass(frozen=True)
class Pool:
    """An open engine: `jobs` run at once, at most `slots` of them on one machine."""

    backend: str
    jobs: int
    slots: int
    is_local: bool

    def map(self, function: Callable[..., R], tasks: Sequence[tuple[object, ...]]) -> Iterator[tuple[int, R]]:
        """(index, `function(*tasks[index])`) as they end; an engine that cannot tell gives all at the end."""
        inner = {"inner_max_num_threads": max(thread_count() // self.jobs, 1)} if self.backend == "loky" else {}
        order = "list" if self.backend == "ray" else "generator_unordered"
        numbered = (delayed(_numbered)(index, function, task) for index, task in enumerate(tasks))
        with parallel_config(self.backend, n_jobs=self.jobs, **inner):
            yield from Parallel(return_as=order, batch_size=1, pre_dispatch="all")(numbered)  # type: ignore[misc]


def _numbered(index: int, function: Callable[..., R], task: tuple[object, ...]) -> tuple[int, R]:
    return index, function(*task)


@contextlib.contextmanager
def opened(spec: EngineSpec) -> Iterator[Pool]:
    """The pool of an engine; a cluster that was started here ends with it.

    Raises `UnavailableError` within seconds when the scheduler does not answer or has no workers.
    """
    with {"loky": _loky, "dask": _dask, "ray": _ray}[spec.engine](spec) as pool:
        yield pool


@contextlib.contextmanager
def _loky(spec: EngineSpec) -> Iterator[Pool]:
    jobs = spec.jobs or 1
    try:
        yield Pool("loky", jobs, jobs, is_local=True)
    finally:
        if jobs > 1:
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=False, kill_workers=True)


@contextlib.contextmanager
def _dask(spec: EngineSpec) -> Iterator[Pool]:
    distributed = extra("distributed", of=spec.engine, thing=f"--engine {spec.engine}")
    if spec.scheduler is None:
        jobs = spec.jobs or 1
        with (
            distributed.LocalCluster(
                n_workers=jobs, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.ERROR
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield _dask_pool(client)
        return
    _must_answer(spec)
    try:
        client = distributed.Client(spec.scheduler, timeout=CONNECT_SECONDS)
        client.wait_for_workers(1, timeout=WORKERS_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise _silent(spec, str(error) or "no workers") from error
    with client:
        yield _dask_pool(client)


def _dask_pool(client: "Client") -> Pool:
    hosts: dict[str, int] = {}
    for worker in client.scheduler_info(n_workers=-1)["workers"].values():
        hosts[worker["host"]] = hosts.get(worker["host"], 0) + worker["nthreads"]
    return Pool("dask", sum(hosts.values()), max(hosts.values()), is_local=False)


@contextlib.contextmanager
def _ray(spec: EngineSpec) -> Iterator[Pool]:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # workers keep their GPUs: leases share them out
    if not spec.is_remote:
        os.environ.setdefault(LONE_RAY, "0")
    ray = extra("ray", of=spec.engine, thing=f"--engine {spec.engine}")
    if spec.is_remote:
        _must_answer(spec)
    _start_ray(ray, spec)
    try:
        importlib.import_module("ray.util.joblib").register_ray()
        slots = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        if not sum(slots):
            raise _silent(spec, "no workers")
        yield Pool("ray", sum(slots), max(slots), is_local=False)
    finally:
        ray.shutdown()


def _start_ray(ray: ModuleType, spec: EngineSpec) -> None:
    """Connects to ray, or starts one here: ray gives its own start 30 seconds, too few for a busy machine."""
    here = {"num_cpus": spec.jobs or 1, "include_dashboard": False}
    options = {"address": spec.scheduler} if spec.is_remote else here
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    attempts = 1 if spec.is_remote else LOCAL_STARTS
    for attempt in range(1, attempts + 1):
        try:
            with warnings.catch_warnings(), signals.kept():  # ray ends a process by itself, with a native stack
                warnings.simplefilter("ignore")
                ray.init(**options, **quiet)
            return
        except Exception as error:  # ray raises its own and others' errors here
            ray.shutdown()
            if attempt == attempts:
                raise _silent(spec, str(error).splitlines()[0]) from error


def _must_answer(spec: EngineSpec) -> None:
    """Raises `UnavailableError` unless a scheduler listens at its host and port and answers.

    A process of its own connects: what listens but is mute would hang this one.
    """
    matched = re.fullmatch(r"(?:\w+://)?\[?(?P<host>[^\[\]/]+?)\]?:(?P<port>\d{1,5})", spec.scheduler or "")
    if matched is None:
        raise InvalidInputError(f"scheduler must be HOST:PORT or PROTOCOL://HOST:PORT; got {spec.scheduler!r}.")
    words = [sys.executable, "-c", GREETINGS[spec.engine], str(spec.scheduler)]
    try:
        with socket.create_connection((matched["host"], int(matched["port"])), timeout=CONNECT_SECONDS):
            pass
        ended = subprocess.run(words, capture_output=True, text=True, timeout=GREETING_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _silent(spec, f"it is mute for {GREETING_SECONDS:.0f} s") from error
    except (OSError, OverflowError) as error:
        raise _silent(spec, str(error)) from error
    if ended.returncode != 0:
        raise _silent(spec, (ended.stderr.strip().splitlines() or ["it hung up"])[-1])


def _silent(spec: EngineSpec, reason: str) -> UnavailableError:
    where = "of its own" if spec.scheduler is None else repr(spec.scheduler)
    return UnavailableError(f"{spec.engine} scheduler {where} must answer and have workers; it does not ({reason}).")
