"""Execution of a plan: extractions first, then what needs them, through one pool; failures are records.

Everything that is done is on disk when its result arrives, so a study that is killed at any moment goes on when it is
started again.
"""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.data import datasets
from extract.errors import InvalidInputError, UnavailableError, sentence
from pipelines.specs.engine import EngineSpec
from pipelines.studies.engines import Pool, opened
from pipelines.studies.jobs import Job
from pipelines.studies.plan import CACHED, MISSING, Plan, settled
from pipelines.studies.worker import JobResult, WorkerSetup, leased, result_of, sees, work
from pipelines.workspace import cache, records
from pipelines.workspace.context import Context

Runner = Callable[[Sequence[Job]], None]


class WorkerDiedError(Exception):
    """A worker died, which each engine says in its own way."""


@dataclass
class Execution:
    """One run of a plan: where it computes, and the results so far.

    `devices` are what jobs may lease ("cpu", "cuda:0", ...; none: each worker's own). `on_result(job, result)` is
    called after each job, and after each extraction that came first; `label(job)` names one that begins. `listed` are
    the jobs whose failures are recorded; an extraction that only they need is not among them, and its failure is
    theirs. After so many `retries` together, what was under way when a worker died is tried alone.
    """

    context: Context
    devices: tuple[str, ...]
    on_result: Callable[[Job, JobResult], None]
    label: Callable[[Job], str] = lambda job: job.command
    listed: frozenset[Job] = frozenset()
    results: dict[Job, JobResult] = dataclasses.field(default_factory=dict)
    retries: int = 0

    def run(self, plan: Plan, engine: EngineSpec) -> list[JobResult]:
        """The result of every job of a plan, in its order. Only what is missing is computed, each once.

        Raises `UnavailableError` when a cluster's scheduler does not answer or its workers do not see the workspace.
        """
        self.listed = frozenset(one.job for one in plan.jobs if one.job.weights not in plan.awaited)
        if any(planned.state != CACHED for planned in plan.jobs):
            cache.make_workspace(self.context.workspace)
        for job, result in settled(plan).items():
            self._end(job, result)
        if missing := [planned.job for planned in plan.of(MISSING)]:
            with self._runner(engine) as runner:
                runner(self._with_data(plan.first))
                runner(self._with_features([job for job in missing if job not in plan.first]))
        return [self.results[planned.job] for planned in plan.jobs]

    def trained(self, plan: Plan, engine: EngineSpec | None) -> tuple[dict[str, str], dict[str, JobResult | None]]:
        """Does trainings that other jobs begin with; none where no `engine` is given.

        (Digest -> run of those that are done; digest -> failure of the others, None of one that is yet to do.)
        """
        missing = [planned.job for planned in plan.of(MISSING)]
        if missing and engine is not None:
            self.listed = frozenset(missing)
            cache.make_workspace(self.context.workspace)
            with self._runner(engine) as runner:
                runner(self._with_data(missing))
        results = {job: self.results.get(job) for job in missing} | settled(plan)
        runs = {job.digest(): one.run for job, one in results.items() if one and one.run and one.status != "failed"}
        return runs, {job.digest(): one for job, one in results.items() if job.digest() not in runs}

    def compute(self, jobs: Sequence[Job], engine: EngineSpec) -> None:
        """Does jobs that need nothing of one another; `UnavailableError` as `run`."""
        with self._runner(engine) as runner:
            runner(jobs)

    def _end(self, job: Job, result: JobResult) -> None:
        """Keeps the result of a job: a failure as a record, a success in place of an earlier failure.

        What was refused leaves none, as in the tasks: corrected, it is another job, and nothing would remove it.
        """
        workspace, run = self.context.workspace, job.digest()
        if result.status != "failed":
            place = records.folder(workspace, run)
            if place.is_dir() and records.status(workspace, run) != "done":  # a record, or a folder without one
                shutil.rmtree(place)
        elif not result.refused and result.run is None and job in self.listed:
            records.failed(workspace, run=run, kind=job.kind, name=job.name, key=job.key(), error=result.error)
            result = dataclasses.replace(result, run=run)
        self.results[job] = result
        self.on_result(job, result)

    def _with_features(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that can begin; a head whose extraction failed fails with its reason."""
        ready = []
        for job in self._with_data(jobs):
            extraction = job.extraction()
            features = None if extraction is None else self.results.get(extraction)
            if features is None or features.status != "failed":
                ready.append(job)
            else:
                error = f"its features failed: {features.error}"
                self._end(job, JobResult("failed", error=error, refused=features.refused))
        return ready

    def _with_data(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs whose data set is here; it is downloaded once, before workers could do it all at once."""
        faults: dict[object, JobResult | None] = {}
        for job in jobs:
            if job.dataset not in faults:
                faults[job.dataset] = self._fault(job)
            if (fault := faults[job.dataset]) is not None:
                self._end(job, fault)
        return [job for job in jobs if faults[job.dataset] is None]

    def _fault(self, job: Job) -> JobResult | None:
        """The result of the jobs whose data set is out of reach; None when it is here now."""
        dataset, directory, _ = job.dataset
        place, download_dir = None if directory is None else Path(directory), self.context.workspace / "data"
        try:
            if not datasets.is_here(dataset, place, download_dir=download_dir):
                datasets.locate(dataset, place, download_dir=download_dir)
        except Exception as error:  # noqa: BLE001 (as in a worker: the jobs that need it fail, the rest goes on)
            return JobResult("failed", error=sentence(error), refused=isinstance(error, InvalidInputError))
        return None

    @contextlib.contextmanager
    def _runner(self, engine: EngineSpec) -> Iterator[Runner]:
        """Runs jobs: this process does for one job at a time here, else a pool."""
        if engine.engine == "loky" and (engine.jobs or 1) == 1:
            yield self._here
            return
        with opened(engine) as pool:
            if engine.is_remote:
                must_share(pool, self.context.workspace)
            yield lambda jobs: self.through(pool, jobs)

    def _here(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            with self.context.job(self.label(job)), leased(self.devices) as device:
                result = result_of(job, dataclasses.replace(self.context, device=device))
            self._end(job, result)

    def through(self, pool: Pool, jobs: Sequence[Job]) -> None:
        """Runs jobs through a pool. When a worker dies, the jobs that were under way are tried alone, one by one.

        What kills its worker alone too has failed; the others go on together.
        """
        slots = min(pool.slots, max(len(jobs), 1))
        parent = os.getpid() if pool.is_local else None
        setup = WorkerSetup(self.context.workspace.resolve(), self.devices, slots, parent, self.context.study)
        left, count_ended, retries = list(jobs), self.context.counter(len(jobs), "jobs"), self.retries

        def end(job: Job, result: JobResult) -> None:
            left.remove(job)
            self.context.tell(result.notices)
            for message in result.messages:
                self.context.notice(f"{self.label(job)}: {message}")
            self._end(job, result)
            count_ended(1)

        while left:
            started = list(left)
            try:
                for index, result in _results(pool, started, setup):
                    end(started[index], result)
            except WorkerDiedError as error:
                died = f"a worker died ({error})"
                if retries:
                    retries -= 1
                    self.context.notice(f"{died}; another goes on with what it did")
                    continue
                self.context.notice(f"{died}; trying what it did one by one")
                for job in left[: pool.jobs]:
                    end(job, _alone(pool, job, setup))


def _alone(pool: Pool, job: Job, setup: WorkerSetup) -> JobResult:
    try:
        ((_, result),) = _results(pool, [job], setup)
    except WorkerDiedError as error:
        return JobResult("failed", error=f"its process died, perhaps for want of memory ({error})")
    return result


def _results(pool: Pool, jobs: Sequence[Job], setup: WorkerSetup) -> Iterator[tuple[int, JobResult]]:
    """(index of a job, its result) as they end; raises `WorkerDiedError`, and nothing that its user raises."""
    try:
        yield from pool.map(work, [(job, setup) for job in jobs])
    except Exception as error:
        raise WorkerDiedError(sentence(error)[:200]) from error


def must_share(pool: Pool, workspace: Path) -> None:
    """Raises `UnavailableError` unless a worker of the cluster sees what this process writes into the workspace."""
    probe = workspace.resolve() / "cache" / f".probe-{os.getpid()}"
    probe.touch()
    try:
        ((_, is_seen),) = pool.map(sees, [(probe,)])
    finally:
        probe.unlink(missing_ok=True)
    if not is_seen:
        raise UnavailableError(
            f"workspace must be shared with the workers of the cluster; got {str(workspace.resolve())!r}, "
            "which they do not see. Name a directory on a shared disk with --workspace."
        )
