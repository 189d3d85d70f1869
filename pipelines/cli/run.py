"""`pipeline run`: a study."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli import options
from pipelines.cli.show import duration, size, table

if TYPE_CHECKING:
    from pipelines.batch import Engine, Outcome
    from pipelines.jobs import Job
    from pipelines.plan import Plan
    from pipelines.study import Study


@click.command("run")
@click.argument("study")
@click.option("--jobs", type=int, metavar="N", help="Jobs at once; they share the cores out.  [default: 1]")
@click.option("--engine", default="loky", show_default=True, metavar="loky|dask|ray", help="Who runs the jobs.")
@click.option("--scheduler", metavar="ADDRESS", help="A dask or ray cluster.  [default: workers here]")
@click.option("--dry-run", is_flag=True, help="Show the plan with an estimate; compute nothing.")
@click.option(
    "--data-dir",
    envvar="PIPELINE_DATA",
    show_envvar=True,
    metavar="DIR",
    help="Where the known data sets are, for jobs that do not say.",
)
@options.common
def run_command(
    run: options.Run,
    study: str,
    jobs: int | None,
    engine: str,
    scheduler: str | None,
    dry_run: bool,
    data_dir: str | None,
) -> None:
    """Run the jobs of STUDY: a YAML file, or the name of a study that comes with the package.

    What the cache has is not computed again; a job that fails is recorded and the rest goes on. Killed and
    started again, it goes on where it stopped.
    """
    from pipelines import plan, study as studies
    from pipelines.batch import Engine

    how = Engine(engine, jobs, scheduler)
    fallback: dict[str, Any] = {"seed": run.seed} | ({} if data_dir is None else {"data_dir": data_dir})
    described = studies.read(studies.find(study), fallback=fallback)
    described.must_have_jobs()
    planned = plan.plan(described.jobs, run.context())
    if dry_run:
        _show(run, described, planned)
    else:
        _compute(run, described, planned, how=how)


def _show(run: options.Run, described: "Study", planned: "Plan") -> None:
    """The plan: what is there, what would be computed, and what that would take."""
    from pipelines.estimate import Estimator

    estimator = Estimator(run.workspace, device=run.device)
    lines = [_line(job, "missing", "extracted first", estimator) for job in planned.implied()]
    lines += [_line(one.job, one.state, one.reason, estimator) for one in planned.jobs]
    counts = {state: len(planned.of(state)) for state in ("cached", "missing", "impossible")}
    totals = {key: sum(line[key] or 0 for line in lines) for key in ("seconds", "bytes")}
    values = {"study": described.name, "jobs": len(planned.jobs), **counts, **totals, "plan": lines}
    run.reporter.result(values, _plan_text(values))


def _line(job: "Job", state: str, note: str, estimator: Any) -> dict[str, Any]:
    cost = estimator.of(job) if state == "missing" else None
    return {
        "job": job.name,
        "command": job.command,
        "state": state,
        "note": note,
        "seconds": None if cost is None else cost.seconds,
        "bytes": None if cost is None else cost.byte_count,
    }


def _plan_text(values: dict[str, Any]) -> str:
    rows = [
        [
            line["job"],
            line["state"],
            "" if line["seconds"] is None else duration(line["seconds"]),
            "" if line["bytes"] is None else size(line["bytes"]),
            line["note"],
        ]
        for line in values["plan"]
    ]
    return (
        table(["job", "state", "time", "disk", ""], rows)
        + f"\n{values['jobs']} jobs: {values['cached']} cached, {values['missing']} missing, "
        + f"{values['impossible']} impossible; about {duration(values['seconds'])} one after another, "
        + f"{size(values['bytes'])} on disk"
    )


def _compute(run: options.Run, described: "Study", planned: "Plan", *, how: "Engine") -> None:
    from pipelines import batch

    begun, told = time.perf_counter(), _Teller(run, len(planned.jobs) + len(planned.implied()))
    devices = _devices(run, how)
    outcomes = batch.run(planned, engine=how, context=run.context(), devices=devices, told=told)
    pairs = [(one.job, outcome) for one, outcome in zip(planned.jobs, outcomes, strict=True)]
    counts = {status: sum(outcome.status == status for _, outcome in pairs) for status in ("computed", "cached", "failed")}
    runs = [found for job, outcome in pairs if (found := _run_of(job, outcome)) is not None]
    seconds = time.perf_counter() - begun
    values = {"study": described.name, "jobs": len(pairs), **counts, "seconds": seconds, "runs": runs}
    failures = [{"job": job.name, "run": job.digest(), "error": outcome.error} for job, outcome in pairs if outcome.error]
    text = ", ".join(f"{count} {status}" for status, count in counts.items())
    text = f"{described.name}: {len(pairs)} jobs in {duration(seconds)}: {text}"
    run.reporter.result({**values, "failures": failures}, text)
    if failures:
        sys.exit(1)


class _Teller:
    """Tells of each outcome as it comes."""

    def __init__(self, run: options.Run, total: int) -> None:
        self._reporter, self._total, self._count = run.reporter, total, 0

    def __call__(self, job: "Job", outcome: "Outcome") -> None:
        self._count += 1
        if outcome.status == "computed":
            self._reporter.notice(f"{self._count} of {self._total}  {job.name}: done in {duration(outcome.seconds)}")
        elif outcome.status == "failed":
            self._reporter.notice(f"{self._count} of {self._total}  {job.name}: failed: {outcome.error}")


def _run_of(job: "Job", outcome: "Outcome") -> str | None:
    """The run of a job: that of its record, or of its failure; an extraction that is done has none."""
    if outcome.record is None:
        return job.digest()
    return outcome.record.get("run")


def _devices(run: options.Run, how: "Engine") -> tuple[str, ...]:
    """What jobs may lease: the device that was named; for "auto" every GPU here, or each worker's own in a cluster."""
    if click.get_current_context().params["device"] != "auto":
        return (run.device,)
    if how.is_remote:
        return ()
    from pipelines.batch.work import own_devices

    return own_devices()
