"""`pipeline ablate`: a base and one change at a time, compared on the validation split."""

import sys
import time
from typing import TYPE_CHECKING

import click

from extract.errors import InvalidInputError
from extract.runtime.formats import listed, percent, plural
from pipelines.cli.commands.plan import show_plan
from pipelines.cli.commands.run import JobProgress, ended, status_of
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.specs.data import DataSpec
from pipelines.specs.engine import EngineSpec

if TYPE_CHECKING:
    from pipelines.studies.ablation import Ablation
    from pipelines.studies.plan import Plan
    from pipelines.workspace.explorations import AblationResult, AblationRow


@command("ablate")
@click.argument("study")
@click.option("--dry-run", is_flag=True, help="Show the plan with an estimate; compute nothing.")
@declared(EngineSpec, DataSpec, only=("engine", "jobs", "scheduler", "data_dir"))
@shared.common
def ablate_command(run: shared.Invocation, study: str, dry_run: bool, options: Values) -> None:
    """Train a base and one change at a time, each with several seeds, and compare them on the validation split.

    STUDY is a YAML file with a section `ablation`. Each change is paired with the base by seed and by image; where the
    95 % interval of the difference contains zero, no difference is shown. No test image is scored. What was trained
    before is not trained again; killed and started again, the command goes on where it stopped.
    """
    begun = time.perf_counter()
    from pipelines.studies import ablation, plan, study_file

    engine = EngineSpec.of({name: value for name, value in options.items() if name in EngineSpec.declared()})
    fallback: Values = {"seed": run.seed, **{name: value for name, value in options.items() if name == "data_dir"}}
    environment = study_file.Environment(fallback, run.workspace, shared.data_dirs())
    described = ablation.read(study_file.find(study), environment)
    planned = plan.plan(described.jobs, run.context(), places=described.places)
    if dry_run:
        show_plan(run, described.name, planned, seconds=time.perf_counter() - begun)
        return
    values, lines, status = ablated(run, described, planned, engine=engine)
    run.reporter.result(values, [*lines, "next: pipeline report"])
    sys.exit(status)


def ablated(
    run: shared.Invocation, described: "Ablation", planned: "Plan", *, engine: EngineSpec
) -> tuple[Values, list[str], int]:
    """The ablation, trained where the cache has it not: its values, its lines and the exit status."""
    from pipelines.studies import ablation
    from pipelines.studies.execute import Execution
    from pipelines.workspace import explorations, stored

    progress = JobProgress(run, planned)
    execution = Execution(run.context(), run.devices(engine), on_result=progress, label=progress.label)
    begun = time.perf_counter()
    outcomes = dict(zip(described.jobs, execution.run(planned, engine), strict=True))
    taken = ended(described.name, list(outcomes.values()), time.perf_counter() - begun)
    failed = {job: outcome.error for job, outcome in outcomes.items() if outcome.status == "failed"}
    runs = {job: outcome.run for job, outcome in outcomes.items() if job not in failed}
    failures = [f"{progress.names[job]}: {error}" for job, error in failed.items()]
    status = status_of(outcomes.values())
    path = ablation.gather(described, runs, failures, run.workspace, refused=status == InvalidInputError.exit_code)
    found = stored.read(path, explorations.AblationResult, thing="result of an ablation", remedy="Start again.")
    return {**answer(found), "path": str(path)}, [*text(found), taken], status


def answer(found: "AblationResult") -> Values:
    """The result as JSON, with means and verdicts."""
    from extract.runtime.typed_json import plain

    rows = [{**plain(row), "accuracy": row.accuracy, "verdict": row.verdict} for row in found.rows]
    return {**plain(found), "accuracy": found.accuracy, "rows": rows}


def text(found: "AblationResult") -> list[str]:
    """The result for a terminal, the base first."""
    columns: list[TableColumn[AblationRow | None]] = [
        TableColumn("change", lambda row: row.name if row else f"base: {found.base}", shrinks=True),
        TableColumn("validation", lambda row: percent((row or found).accuracy), right=True),
        TableColumn("difference", lambda row: f"{100 * row.difference:+.2f}" if row else "", right=True),
        TableColumn("95 % interval", lambda row: interval_text(row) if row else "", right=True),
        TableColumn("", lambda row: row.verdict if row else ""),
    ]
    seeds = f"seeds {listed([str(seed) for seed in found.seeds])}"
    return [
        *table(columns, [None, *found.rows]),
        f"points of validation accuracy, {plural(found.validation_rows, 'image')} for each of the {seeds}; intervals "
        f"corrected for {plural(len(found.rows), 'change')}; no test image was scored",
        *(f"failed: {one}" for one in found.failures),
    ]


def interval_text(row: "AblationRow") -> str:
    """The interval of a row in points: "-1.20 to +0.35"."""
    low, high = row.interval
    return f"{100 * low:+.2f} to {100 * high:+.2f}"
