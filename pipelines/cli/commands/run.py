"""`pipeline run`: a study."""

import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.errors import InvalidInputError, TransferBenchError
from extract.runtime.disk import storage_error
from extract.runtime.formats import duration, percent, plural
from pipelines.cli.commands.plan import labels, show_plan
from pipelines.cli.inspect.runs import ranking
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.specs import HeadSpec
from pipelines.specs.data import DataSpec, with_data_dir
from pipelines.specs.engine import EngineSpec

if TYPE_CHECKING:
    from pipelines.studies.ablation import Ablation
    from pipelines.studies.execute import Execution
    from pipelines.studies.jobs import Job
    from pipelines.studies.plan import Plan
    from pipelines.studies.study_file import Environment, StudyJobs
    from pipelines.studies.worker import JobResult

    Searched = tuple[str, Values, object]


@command("run")
@click.argument("study")
@click.option("--dry-run", is_flag=True, help="Show the plan with an estimate; compute nothing.")
@click.option(
    "--only",
    metavar="TEXT,...",
    default="",
    help="Only the jobs, the search and the ablation whose names contain one of these.",
)
@declared(EngineSpec, DataSpec, only=("engine", "jobs", "scheduler", "data_dir"))
@shared.common
def run_command(run: shared.Invocation, study: str, dry_run: bool, only: str, options: Values) -> None:
    """Run STUDY: a YAML file, or the name of a study that comes with the package.

    Its jobs, then what else it describes: a search, an ablation, a report with slides. What the cache has is not
    computed again; a job that fails is recorded and the rest goes on. Killed and started again, it goes on where it
    stopped.
    """
    run_study(run, study, options, words=[word.strip() for word in only.split(",") if word.strip()], dry_run=dry_run)


def run_study(
    run: shared.Invocation, study: str, options: Values, *, words: Sequence[str] = (), dry_run: bool = False
) -> None:
    """Run the parts of a study whose names contain one of the `words`, or all; or show their plan."""
    begun = time.perf_counter()
    from pipelines.cli.commands import ablate, report
    from pipelines.cli.commands.search import searched
    from pipelines.studies import plan, study_file

    engine = EngineSpec.of({name: value for name, value in options.items() if name in EngineSpec.declared()})
    fallback: Values = {"seed": run.seed, **{name: value for name, value in options.items() if name == "data_dir"}}
    environment = study_file.Environment(fallback, run.workspace, shared.data_dirs())
    path = study_file.find(study)
    whole = study_file.read(path, environment)
    prepare = functools.partial(_prepared, run, path, environment, whole.only(words), words=words, engine=engine)
    first, described, planned = prepare(train=False)
    missing = dry_run or bool(planned.of(plan.MISSING))
    compared, search = _further(run, path, whole, environment, words=words, missing=missing)
    trained = plan.plan(compared.jobs, run.context(), places=compared.places) if compared else None
    if dry_run:
        planned = first.beside(planned if trained is None else planned.beside(trained))
        then = [_planned_search(run, search)] if search else []
        then += [f"then the report: {described.title}"] if described.title else []
        show_plan(run, described.name, planned, seconds=time.perf_counter() - begun, then=then)
        return
    if first.first:
        _, described, planned = prepare(train=True)
    values, lines, status = _compute(run, described, planned, engine=engine)
    parts: dict[str, Callable[[], tuple[Values, list[str], int]]] = {}
    if compared is not None and trained is not None:
        parts["ablation"] = functools.partial(ablate.ablated, run, compared, trained, engine=engine)
    if search is not None:
        options_of = with_data_dir(search[1], shared.data_dirs())
        parts["search"] = lambda: (*searched(run, options_of, search[2]), 0)
    if title := described.title:
        parts["report"] = lambda: (*report.in_workspace(run, title, options.get("data_dir")), 0)
    for part, compute in parts.items():
        values[part], more, code = _part(part, compute)
        lines += ["", *more]
        status = status or code
    run.reporter.result(values, lines)
    sys.exit(status)


def _part(name: str, compute: Callable[[], tuple[Values, list[str], int]]) -> tuple[Values, list[str], int]:
    """Values, lines and exit status of a part beside the jobs; one that fails is told, and the rest goes on."""
    try:
        return compute()
    except (TransferBenchError, OSError) as error:
        told = storage_error(error) or error
        if not isinstance(told, TransferBenchError):
            raise
        failure = {"job": name, "run": None, "error": str(told)}
        return {"failures": [failure]}, [f"failed: {name}: {told}"], told.exit_code


def _prepared(
    run: shared.Invocation,
    path: Path,
    environment: "Environment",
    described: "StudyJobs",
    *,
    words: Sequence[str],
    engine: EngineSpec,
    train: bool,
) -> "tuple[Plan, StudyJobs, Plan]":
    """(Trainings whose weights jobs begin with and that are to do, the study with the runs of the others, its plan).

    They are done first where `train` says so.
    """
    from pipelines.studies import plan, study_file

    trainings = plan.plan(list(described.first), run.context(), places=described.first)
    first = plan.Plan((), tuple(one.job for one in trainings.of(plan.MISSING)))
    runs, awaited = _execution(run, first, engine, described).trained(trainings, engine if train else None)
    if runs:
        described = study_file.read(path, dataclasses.replace(environment, runs=runs)).only(words)
    return first, described, plan.plan(described.jobs, run.context(), places=described.places, awaited=awaited)


def _further(
    run: shared.Invocation,
    path: Path,
    whole: "StudyJobs",
    environment: "Environment",
    *,
    words: Sequence[str],
    missing: bool,
) -> "tuple[Ablation | None, Searched | None]":
    """The ablation and the search of a study that `words` name; `InvalidInputError` where no part of it is named."""
    from pipelines.studies import ablation
    from pipelines.studies.study_file import named

    compared = ablation.read(path, environment) if "ablation" in whole.sections else None
    search = _search(run, path, dict(environment.fallback), missing=missing) if "search" in whole.sections else None
    further = [*([compared.base.name] if compared else []), *([search[0]] if search else [])]
    known = dict.fromkeys([*(job.name for job in whole.jobs), *further])
    if not any(named(name, words) for name in known):
        raise InvalidInputError(
            f"--only must name a part of {whole.name}; got {','.join(words)}. Known: {', '.join(known)}."
        )
    return (
        compared if compared and named(compared.base.name, words) else None,
        search if search and named(search[0], words) else None,
    )


def _search(run: shared.Invocation, path: Path, fallback: Values, *, missing: bool) -> "Searched":
    """(what is searched, its options, its space) of a study with a search."""
    from pipelines.search import check_file, read

    file = read(path)
    options = {**fallback, **file.options({})}
    if missing:  # what is cached imports no torch
        check_file(file, options, run.context())
    searched = options.get("network") or options.get("head") or HeadSpec.head
    return " on ".join(str(one) for one in (searched, options.get("backbone")) if one), options, file.entries


def _planned_search(run: shared.Invocation, search: "Searched") -> str:
    """What the search is over, its trials, and how long those of a network take if none is given up."""
    from pipelines.search.build import trials
    from pipelines.studies.estimate import Estimator

    count, job = trials(with_data_dir(search[1], shared.data_dirs()))
    cost = job and Estimator(run.workspace, device=run.device).of(job)
    most = f", at most {duration(count * cost.seconds)}" if cost else ""
    return f"then a search over {search[0]}: {plural(count, 'trial')}{most}"


def _compute(
    run: shared.Invocation, described: "StudyJobs", planned: "Plan", *, engine: EngineSpec
) -> tuple[Values, list[str], int]:
    """The jobs' values, lines and exit status."""
    from pipelines.report.study.study import joined

    begun, names = time.perf_counter(), JobProgress(run, planned).names
    outcomes = _execution(run, planned, engine, described).run(planned, engine)
    seconds = time.perf_counter() - begun
    counts = _counts(outcomes)
    failures = [
        {"job": names[one.job], "run": outcome.run, "error": outcome.error}
        for one, outcome in zip(planned.jobs, outcomes, strict=True)
        if outcome.status == "failed"
    ]
    runs = [outcome.run for outcome in outcomes if outcome.run is not None]
    ranked = joined(run.workspace, set(runs))
    values = {"study": described.name, "jobs": len(outcomes), **counts, "seconds": seconds}
    lines = [
        *(ranking(ranked) if ranked else []),
        *(f"failed: {one['job']}: {one['error']}" for one in failures),
        *([ended(described.name, outcomes, seconds)] if outcomes else []),
        *(["next: pipeline report"] if ranked and not described.title else []),
    ]
    values |= {"runs": runs, "failures": failures, "ranked": ranked}
    return values, lines, status_of(outcomes)


def status_of(outcomes: "Iterable[JobResult]") -> int:
    """The exit status: 0 where no job failed, the user's mistake where nothing else made one fail."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    refused = all(outcome.refused for outcome in failed)
    return (InvalidInputError if refused else TransferBenchError).exit_code if failed else 0


def ended(name: str, outcomes: "Sequence[JobResult]", seconds: float) -> str:
    """How many jobs a study had, what they took together, and how they ended."""
    text = ", ".join(f"{count} {status}" for status, count in _counts(outcomes).items())
    return f"{name}: {plural(len(outcomes), 'job')} in {duration(seconds)}: {text}"


def _counts(outcomes: "Sequence[JobResult]") -> dict[str, int]:
    return {one: sum(outcome.status == one for outcome in outcomes) for one in ("computed", "cached", "failed")}


def _execution(run: shared.Invocation, planned: "Plan", engine: EngineSpec, described: "StudyJobs") -> "Execution":
    """An execution of the plan here, which tells how it goes."""
    from pipelines.studies.execute import Execution

    progress, context = JobProgress(run, planned), dataclasses.replace(run.context(), study=described.name)
    return Execution(context, run.devices(engine), on_result=progress, label=progress.label)


class JobProgress:
    """Reports each outcome as it comes. Extractions that the study does not list are reported and not counted."""

    def __init__(self, run: shared.Invocation, planned: "Plan") -> None:
        jobs = [one.job for one in planned.jobs]
        every = [*jobs, *planned.implied()]
        self.names = dict(zip(every, labels(every), strict=True))
        self._run, self._listed, self._ended = run, dict.fromkeys(jobs), 0

    def label(self, job: "Job") -> str:
        """The place of a job that begins among those of the study, and its name."""
        return f"{self._place(job, self._ended + 1)} {self.names[job]}"

    def __call__(self, job: "Job", outcome: "JobResult") -> None:
        from pipelines.studies.jobs import ABLATE
        from pipelines.workspace import records

        self._ended += job in self._listed
        what, accuracy = f"{self._place(job, self._ended)}  {self.names[job]}", ""
        if outcome.status == "computed":
            if outcome.run is not None and job.command != ABLATE:
                record = records.done(self._run.workspace, outcome.run)
                accuracy = f"test {percent(record.test.accuracy)}, "
            self._run.reporter.notice(f"{what}: {accuracy}done in {duration(outcome.seconds)}")
        elif outcome.status == "failed":
            self._run.reporter.notice(f"{what}: failed: {outcome.error}")

    def _place(self, job: "Job", number: int) -> str:
        return f"{number}/{len(self._listed)}" if job in self._listed else "first"
