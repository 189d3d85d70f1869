"""`pipeline run`: a study."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.errors import InvalidInputError, TransferBenchError
from extract.runtime.formats import duration, percent, plural, size
from pipelines.cli.inspect.runs import ranking
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.specs.data import DataSpec, with_data_dir
from pipelines.specs.engine import EngineSpec

if TYPE_CHECKING:
    from pipelines.specs import ExtractSpec
    from pipelines.studies.estimate import Estimator
    from pipelines.studies.execute import Execution
    from pipelines.studies.jobs import Job
    from pipelines.studies.plan import Plan, Planned
    from pipelines.studies.study_file import StudyJobs
    from pipelines.studies.worker import JobResult

FIRST = "extracted first"
PLAN: list[TableColumn[Values]] = [
    TableColumn("job", lambda line: line["job"], shrinks=True),
    TableColumn("state", lambda line: _state(line)),
    TableColumn("time", lambda line: duration(line["seconds"]), right=True),
    TableColumn("by", lambda line: line["basis"] or "", drop=1),
    TableColumn("disk", lambda line: size(line["bytes"]), right=True, drop=2),
]


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
    from pipelines.studies import ablation, plan, study_file

    engine = EngineSpec.of({name: value for name, value in options.items() if name in EngineSpec.declared()})
    fallback: Values = {"seed": run.seed, **{name: value for name, value in options.items() if name == "data_dir"}}
    environment = study_file.Environment(fallback, run.workspace, shared.data_dirs())
    path = study_file.find(study)
    described = study_file.read(path, environment).only(words)
    described.must_have_jobs()
    trainings = plan.plan(list(described.first), run.context(), places=described.first)
    first = plan.Plan((), tuple(one.job for one in trainings.of(plan.MISSING)))
    runs, awaited = _execution(run, first, engine, described).trained(trainings, None if dry_run else engine)
    if runs:
        described = study_file.read(path, dataclasses.replace(environment, runs=runs)).only(words)
    compared = ablation.read(path, environment) if "ablation" in described.sections else None
    compared = compared if compared and study_file.named(compared.base.name, words) else None
    planned = plan.plan(described.jobs, run.context(), places=described.places, awaited=awaited)
    trained = plan.plan(compared.jobs, run.context(), places=compared.places) if compared else None
    missing = dry_run or bool(planned.of(plan.MISSING))
    search = _search(run, path, fallback, words, missing=missing) if "search" in described.sections else None
    if dry_run:
        planned = first.beside(planned if trained is None else planned.beside(trained))
        then = [f"then a search over {search[0]}"] if search else []
        then += [f"then the report: {described.title}"] if described.title else []
        show_plan(run, described.name, planned, seconds=time.perf_counter() - begun, then=then)
        return
    values, lines, status = _compute(run, described, planned, engine=engine)
    if compared is not None and trained is not None:
        values["ablation"], more = ablate.ablated(run, compared, trained, engine=engine)
        lines += ["", *more]
        status = status or (TransferBenchError.exit_code if values["ablation"]["failures"] else 0)
    if search is not None:
        values["search"], more = searched(run, with_data_dir(search[1], shared.data_dirs()), search[2])
        lines += ["", *more]
    if described.title:
        values["report"], more = report.in_workspace(run, described.title, options.get("data_dir"))
        lines += ["", *more]
    run.reporter.result(values, lines)
    sys.exit(status)


def _search(
    run: shared.Invocation, path: Path, fallback: Values, words: Sequence[str], *, missing: bool
) -> tuple[str, Values, object] | None:
    """(what is searched, its options, its space) of a study with a search; None for one that `words` do not name."""
    from pipelines.search import check_file, read
    from pipelines.studies.study_file import named

    file = read(path)
    if missing:  # what is cached imports no torch
        check_file(file, fallback, run.context())
    options = file.options(fallback)
    name = " on ".join(str(options[one]) for one in ("head", "network", "backbone") if options.get(one))
    return (name, options, file.entries) if named(name, words) else None


def show_plan(run: shared.Invocation, study: str, planned: "Plan", *, seconds: float, then: Sequence[str] = ()) -> None:
    """The plan: what is there, what would be computed, and what that would take. To plan took `seconds`, as it will.

    `then` says what comes besides.
    """
    from pipelines.studies.estimate import PROCESS_SECONDS, Estimator
    from pipelines.studies.plan import Planned

    estimator = Estimator(run.workspace, device=run.device)
    listed = [Planned(job, "missing", reason=FIRST) for job in planned.implied()] + list(planned.jobs)
    names = labels([one.job for one in listed])
    lines = [_line(one, name, estimator) for one, name in zip(listed, names, strict=True)]
    counts = {state: len(planned.of(state)) for state in ("cached", "missing", "impossible")}
    totals = {key: sum(line[key] or 0 for line in lines) for key in ("seconds", "bytes")}
    totals = {**totals, "seconds": totals["seconds"] + PROCESS_SECONDS + seconds}
    values = {"study": study, "jobs": len(planned.jobs), **counts, **totals, "plan": lines}
    values["notes"] = _notes([one.job for one in planned.jobs])
    first = len(listed) - len(planned.jobs)
    total = (
        f"{plural(len(planned.jobs), 'job')}: {counts['cached']} cached, {counts['missing']} to run, "
        f"{counts['impossible']} impossible{f'; first: {first}' if first else ''}; "
        f"about {duration(totals['seconds'])} one after another, {size(totals['bytes'])} on disk"
    )
    reasons = [f"{line['job']}: {line['note']}" for line in lines if line["note"] not in ("", FIRST)]
    values["then"] = list(then)
    run.reporter.result(values, [*table(PLAN, lines), *reasons, *values["notes"], total, *then])


def _state(line: Values) -> str:
    if line["note"] == FIRST:
        return "to run first"
    return "to run" if line["state"] == "missing" else line["state"]


def _line(planned: "Planned", name: str, estimator: "Estimator") -> Values:
    cost = estimator.of(planned.job) if planned.state == "missing" else None
    return {
        "job": name,
        "command": planned.job.command,
        "state": planned.state,
        "note": planned.reason,
        "seconds": cost and cost.seconds,
        "basis": cost and cost.basis,
        "bytes": cost and cost.byte_count,
    }


def labels(jobs: Sequence["Job"]) -> list[str]:
    """A label for each job: its name, and the options in which it differs from others of that name.

    An option that features and head share stands once where both have the same value.
    """
    named: dict[str, list[Values]] = {}
    for job in jobs:
        named.setdefault(job.name, []).append(_flat(job))
    found = []
    for job in jobs:
        shown: dict[str, str] = {}
        for name, value in _flat(job).items():
            part, _, option = name.partition(".")
            varies = len({repr(one.get(name)) for one in named[job.name]}) > 1
            text = _option(option, value) if varies else ""
            if text:
                shown[option] = f"{shown[option]}, {text} of the {part}" if shown.get(option, text) != text else text
        found.append(f"{job.name} ({', '.join(shown.values())})" if shown else job.name)
    return found


def _flat(job: "Job") -> Values:
    return {f"{part}.{name}": value for part, spec in job.specs().items() for name, value in spec.items()}


def _option(name: str, value: object) -> str:
    """An option as one would say it; nothing for one that was left out."""
    words = name.replace("_", " ")
    if value is None or value == ():
        return ""
    if name == "validation" and value == "none":
        return "no validation"
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if not isinstance(value, tuple):
        return f"{words} {value}"
    # `option` holds further ones of a head, each NAME=VALUE.
    return ", ".join(value) if name == "option" else f"{words} {','.join(map(str, value))}"


def _notes(jobs: Sequence["Job"]) -> list[str]:
    """Remarks on the jobs of a plan: features that are extracted anew for every seed."""
    drawn: dict[ExtractSpec, set[int]] = {}
    for job in jobs:
        if job.features is not None and job.features.sampled:
            drawn.setdefault(dataclasses.replace(job.features, seed=0), set()).add(job.features.seed)
    several = [spec for spec, seeds in drawn.items() if len(seeds) > 1]
    if not several:
        return []
    count = sum(len(drawn[spec]) for spec in several)
    test = any("test" in spec.sampled for spec in several)
    return [
        f"`seed` draws the subset{' and the test images' if test else ''} anew: {count} extractions instead of "
        f"{len(several)}{', and runs with different seeds are not compared in pairs' if test else ''}. "
        "`seeds: N` of fit-head repeats the heads alone, on the same images."
    ]


def _compute(
    run: shared.Invocation, described: "StudyJobs", planned: "Plan", *, engine: EngineSpec
) -> tuple[Values, list[str], int]:
    """The jobs' values, lines and exit status."""
    from pipelines.report.study.study import joined

    begun, names = time.perf_counter(), JobProgress(run, planned, study=described.name).names
    outcomes = _execution(run, planned, engine, described).run(planned, engine)
    seconds = time.perf_counter() - begun
    counts = {one: sum(outcome.status == one for outcome in outcomes) for one in ("computed", "cached", "failed")}
    failures = [
        {"job": names[one.job], "run": outcome.run, "error": outcome.error}
        for one, outcome in zip(planned.jobs, outcomes, strict=True)
        if outcome.status == "failed"
    ]
    runs = [outcome.run for outcome in outcomes if outcome.run is not None]
    ranked = joined(run.workspace, set(runs))
    values = {"study": described.name, "jobs": len(outcomes), **counts, "seconds": seconds}
    text = ", ".join(f"{count} {status}" for status, count in counts.items())
    lines = [
        *(ranking(ranked) if ranked else []),
        *(f"failed: {one['job']}: {one['error']}" for one in failures),
        f"{described.name}: {plural(len(outcomes), 'job')} in {duration(seconds)}: {text}",
        *(["next: pipeline report"] if ranked and not described.title else []),
    ]
    refused = all(outcome.refused for outcome in outcomes if outcome.status == "failed")
    failed = InvalidInputError.exit_code if refused else TransferBenchError.exit_code
    values |= {"runs": runs, "failures": failures, "ranked": ranked}
    return values, lines, failed if failures else 0


def _execution(run: shared.Invocation, planned: "Plan", engine: EngineSpec, described: "StudyJobs") -> "Execution":
    """An execution of the plan here, which tells how it goes."""
    from pipelines.studies.execute import Execution

    progress = JobProgress(run, planned, study=described.name)
    return Execution(run.context(), run.devices(engine), on_result=progress, label=progress.label)


class JobProgress:
    """Reports each outcome as it comes. Extractions that the study does not list are reported and not counted."""

    def __init__(self, run: shared.Invocation, planned: "Plan", *, study: str) -> None:
        jobs = [one.job for one in planned.jobs]
        every = [*jobs, *planned.implied()]
        self.names = dict(zip(every, labels(every), strict=True))
        self._run, self._listed, self._ended, self._study = run, dict.fromkeys(jobs), 0, study

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
                records.note(self._run.workspace, outcome.run, study=self._study)
                record = records.done(self._run.workspace, outcome.run)
                accuracy = f"test {percent(record.test.accuracy)}, "
            self._run.reporter.notice(f"{what}: {accuracy}done in {duration(outcome.seconds)}")
        elif outcome.status == "failed":
            self._run.reporter.notice(f"{what}: failed: {outcome.error}")

    def _place(self, job: "Job", number: int) -> str:
        return f"{number}/{len(self._listed)}" if job in self._listed else "first"
