"""A plan -> outcomes: extractions first, then what needs them, through one pool; failures are records.

Everything that is done is on disk when its outcome arrives, so a batch that is killed at any moment goes on
when it is started again.
"""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.data import datasets
from extract.errors import UnavailableError, sentence
from pipelines.studies.engines import Engine, Pool, opened
from pipelines.studies.jobs import Job
from pipelines.studies.plan import CACHED, IMPOSSIBLE, MISSING, Plan
from pipelines.studies.work import Outcome, Place, done, hello, work
from pipelines.workspace import cache, records
from pipelines.workspace.context import Context

Told = Callable[[Job, Outcome], None]


@dataclass
class Batch:
    """One run of a plan: where it computes, who is told of every outcome, how jobs are named, and the outcomes so far.

    `listed` are the jobs of the study; an extraction that only they need is not among them, and its failure is
    theirs.
    """

    context: Context
    devices: tuple[str, ...]
    told: Told
    listed: frozenset[Job]
    label: Callable[[Job], str] = lambda job: job.command
    outcomes: dict[Job, Outcome] = dataclasses.field(default_factory=dict)

    def end(self, job: Job, outcome: Outcome) -> None:
        """Keeps the outcome of a job: a failure as a record, a success in place of an earlier failure.

        What was refused leaves none, as in the stages: corrected, it is another job, and nothing would remove it.
        """
        if outcome.status == "failed" and not outcome.refused and outcome.run is None and job in self.listed:
            outcome = dataclasses.replace(outcome, run=job.digest())
            _record_failure(self.context.workspace, job, outcome.error)
        elif outcome.status != "failed":
            forget_failure(self.context.workspace, job)
        self.outcomes[job] = outcome
        self.told(job, outcome)


def run(
    plan: Plan,
    *,
    engine: Engine,
    context: Context,
    devices: tuple[str, ...],
    told: Told,
    label: Callable[[Job], str] = lambda job: job.command,
) -> list[Outcome]:
    """The outcome of every job of a plan, in its order. Only what is missing is computed, each once.

    `devices` are what jobs may lease ("cpu", "cuda:0", ...; none: each worker's own). `told(job, outcome)` hears
    of each job, and of each extraction that came first, as it ends; `label(job)` names one that begins. Raises
    `UnavailableError` when a cluster's scheduler does not answer or its workers do not see the workspace.
    """
    batch = Batch(context, devices, told, frozenset(planned.job for planned in plan.jobs), label)
    for planned in plan.jobs:
        if planned.state == CACHED:
            batch.end(planned.job, Outcome(CACHED, planned.run))
        elif planned.state == IMPOSSIBLE:
            cache.make_workspace(context.workspace)
            batch.end(planned.job, Outcome("failed", error=planned.reason, refused=planned.refused))
    missing = [planned.job for planned in plan.of(MISSING)]
    if missing:
        cache.make_workspace(context.workspace)
        with _runner(engine, batch) as runner:
            _in_order(batch, runner, first=plan.first, then=[job for job in missing if job not in plan.first])
    return [batch.outcomes[planned.job] for planned in plan.jobs]


Runner = Callable[[Sequence[Job]], None]


def _in_order(batch: Batch, runner: Runner, *, first: Sequence[Job], then: Sequence[Job]) -> None:
    """Runs the extractions, then the others; a head whose extraction failed fails with its reason."""
    runner(_with_data(batch, first))
    ready = []
    for job in _with_data(batch, then):
        extraction = job.extraction()
        outcome = None if extraction is None else batch.outcomes.get(extraction)
        if outcome is not None and outcome.status == "failed":
            reason = f"its features failed: {outcome.error}"
            batch.end(job, Outcome("failed", error=reason, refused=outcome.refused))
        else:
            ready.append(job)
    runner(ready)


def _with_data(batch: Batch, jobs: Sequence[Job]) -> list[Job]:
    """The jobs whose data set is here; it is downloaded once, before workers could do it all at once."""
    faults: dict[tuple[str, str | None], str | None] = {}
    for job in jobs:
        if job.dataset not in faults:
            faults[job.dataset] = _fetched(job, batch.context.workspace / "data")
        fault = faults[job.dataset]
        if fault is not None:
            batch.end(job, Outcome("failed", error=fault))
    return [job for job in jobs if faults[job.dataset] is None]


def _fetched(job: Job, download_dir: Path) -> str | None:
    """Why the data set of a job cannot be had; None when it is here now."""
    dataset, data_dir = job.dataset
    place = None if data_dir is None else Path(data_dir)
    if datasets.is_here(dataset, place, download_dir=download_dir):
        return None
    try:
        datasets.locate(dataset, place, download_dir=download_dir)
    except Exception as error:  # noqa: BLE001 (as in a worker: the jobs that need it fail, the rest goes on)
        return sentence(error)
    return None


@contextlib.contextmanager
def _runner(engine: Engine, batch: Batch) -> Iterator[Runner]:
    """What runs jobs: this process for one job at a time here, else a pool."""
    if engine.name == "loky" and (engine.jobs or 1) == 1:
        yield lambda jobs: _here(batch, jobs)
        return
    with opened(engine) as pool:
        if engine.is_remote:
            must_share(pool, batch.context.workspace)
        yield lambda jobs: through(pool, batch, jobs)


def _here(batch: Batch, jobs: Sequence[Job]) -> None:
    from pipelines.studies.leases import leased

    for job in jobs:
        with batch.context.job(batch.label(job)), leased(batch.devices) as device:
            outcome = done(job, dataclasses.replace(batch.context, device=device))
        batch.end(job, outcome)


def through(pool: Pool, batch: Batch, jobs: Sequence[Job]) -> None:
    """Runs jobs through a pool. When a worker dies, the jobs that were under way are tried alone, one by one.

    What kills its worker alone too has failed; the others go on together.
    """
    slots = min(pool.slots, max(len(jobs), 1))
    place = Place(batch.context.workspace.resolve(), batch.devices, slots, os.getpid() if pool.is_local else None)
    left = list(jobs)
    ended = batch.context.counter(len(jobs), "jobs")
    while left:
        started = list(left)
        try:
            for index, outcome in pool.map(work, [(job, place) for job in started]):
                left.remove(started[index])
                batch.end(started[index], outcome)
                ended(1)
        except Exception as error:  # noqa: BLE001 (each engine has its own ways to say that a worker died)
            batch.context.notice(f"a worker died ({sentence(error)[:200]}); trying what it did one by one")
            for job in left[: pool.jobs]:
                left.remove(job)
                batch.end(job, _alone(pool, job, place))
                ended(1)


def _alone(pool: Pool, job: Job, place: Place) -> Outcome:
    try:
        ((_, outcome),) = pool.map(work, [(job, place)])
    except Exception as error:  # noqa: BLE001 (as above)
        return Outcome("failed", error=f"its process died, perhaps for want of memory ({sentence(error)[:200]})")
    return outcome


def must_share(pool: Pool, workspace: Path) -> None:
    """Raises `UnavailableError` unless a worker of the cluster sees what this process writes into the workspace."""
    probe = workspace.resolve() / "cache" / f".probe-{os.getpid()}"
    probe.touch()
    try:
        ((_, answer),) = pool.map(hello, [(probe,)])
    finally:
        probe.unlink(missing_ok=True)
    if not answer.sees_workspace:
        raise UnavailableError(
            f"workspace must be shared with the workers of the cluster; got {str(workspace.resolve())!r}, "
            "which they do not see. Name a directory on a shared disk with --workspace."
        )


def _record_failure(workspace: Path, job: Job, error: str) -> None:
    records.failed(workspace, run=job.digest(), kind=job.kind, name=job.name, key=job.key(), error=error)


def forget_failure(workspace: Path, job: Job) -> None:
    """Removes what an earlier failure of a job that has now succeeded left: its record, or a folder without one."""
    place = records.folder(workspace, job.digest())
    if place.is_dir() and records.status(workspace, job.digest()) != "done":
        shutil.rmtree(place)
