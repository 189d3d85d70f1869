"""`pipeline demo`: the tour that needs no network, on real images."""

from pathlib import Path
from typing import TYPE_CHECKING

from extract.errors import InvalidInputError, TransferBenchError
from extract.runtime.formats import duration, percent, span, written
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.specs.data import DataSpec
from pipelines.workspace import naming

if TYPE_CHECKING:
    from pipelines.workspace.schema import DoneRecord

WITH_CIFAR, WITHOUT = "cifar10-tour", "digits-tour"
COLUMNS: list[TableColumn[Values]] = [
    TableColumn("run", lambda one: one["name"], named=True),
    TableColumn("mode", lambda one: one["mode"], drop=1),
    TableColumn("test", lambda one: percent(one["test_accuracy"], 1), right=True),
    TableColumn("95 % interval", lambda one: span(*one["test_interval"], digits=1), right=True, drop=2),
    TableColumn("parameters", lambda one: f"{one['parameters'] / 1e6:.2f} M", right=True, drop=3),
    TableColumn("FLOPs", lambda one: f"{one['flops'] / 1e6:.0f} M", right=True, drop=4),
    TableColumn("time", lambda one: duration(one["seconds"]), right=True),
]


@command("demo")
@declared(DataSpec, only=("data_dir",))
@shared.common
def demo_command(run: shared.Invocation, options: Values) -> None:
    """Extract, fit heads, fine-tune, train, search, report and slides: a few minutes, packaged weights.

    Runs the study cifar10-tour on 1,000 images of CIFAR-10 where they are found, else digits-tour on scikit-learn's
    digits, then the study's search, then the report and, with python-pptx installed, a talk.
    """
    place = _cifar(run.workspace, options.get("data_dir") or shared.data_dirs().get("cifar10"))
    if place is None:
        run.reporter.notice("CIFAR-10 was not found (name its directory with --data-dir): the tour is on digits")
    study, fallback = (WITHOUT, {}) if place is None else (WITH_CIFAR, {"data_dir": str(place)})
    records = _studied(run, study, fallback)
    found = _searched(run, study, fallback)
    page, talk = _reported(run, place)
    results = [{**_short(record), "name": name} for record, name in zip(records, naming.names(records), strict=True)]
    searched = {key: found[key] for key in ("name", "best", "best_run", "seconds")}
    best = f"{percent(found['best']['value'], 1)} with {written(found['best']['params'], 3)}"
    run.reporter.result(
        {"study": study, "results": results, "search": searched, "report": str(page), "slides": talk and str(talk)},
        [
            *table(COLUMNS, results),
            f"search: best validation accuracy {best}",
            f"report: {page}",
            f"slides: {talk or 'none; install transfer-bench[slides]'}",
        ],
    )


def _studied(run: shared.Invocation, study: str, fallback: Values) -> "list[DoneRecord]":
    """The records of the study's jobs, the best first."""
    from pipelines.specs.engine import EngineSpec
    from pipelines.studies import plan, study_file
    from pipelines.studies.execute import Execution
    from pipelines.studies.jobs import Job
    from pipelines.studies.worker import JobResult
    from pipelines.workspace import records

    described = study_file.read(
        study_file.find(study), study_file.Environment({"seed": run.seed, **fallback}, run.workspace)
    )
    planned = plan.plan(described.jobs, run.context(), places=described.places)

    def on_result(job: Job, result: JobResult) -> None:
        run.reporter.notice(f"{job.name}: {result.status} {result.error}".rstrip())

    outcomes = Execution(run.context(), (run.device,), on_result).run(planned, EngineSpec())
    failed = [outcome.error for outcome in outcomes if outcome.status == "failed"]
    if failed:
        raise TransferBenchError(
            f"every job of the tour must succeed; {len(failed)} failed, the first with: {failed[0]}"
        )
    found = [records.done(run.workspace, outcome.run) for outcome in outcomes if outcome.run is not None]
    return sorted(found, key=lambda record: -record.test.accuracy)


def _searched(run: shared.Invocation, study: str, fallback: Values) -> Values:
    from pipelines.search import build, read, search
    from pipelines.studies import study_file

    written = read(study_file.find(study))
    options = written.options({**fallback, "seed": run.seed})
    subject, request = build(options, entries=written.entries, context=run.context())
    return dict(search(subject, request, run.context()))


def _reported(run: shared.Invocation, place: Path | None) -> tuple[Path, Path | None]:
    """(the page, the slides; None where python-pptx is not installed)."""
    from pipelines.report import slides
    from pipelines.report.build import ReportRequest, build

    page, talk = run.workspace / "report.html", run.workspace / "talk.pptx" if slides.is_available() else None
    request = ReportRequest(page, title="The tour", data_dirs=() if place is None else (place,), slides=talk)
    return build(run.workspace, request, progress=run.reporter.progress).path, talk


def _cifar(workspace: Path, data_dir: str | None) -> Path | None:
    from extract.data.cifar import is_in

    if data_dir is not None and not is_in("cifar10", Path(data_dir)):
        raise InvalidInputError(
            f"data directory must hold CIFAR-10; got {data_dir!r}, which does not. Leave it out for digits."
        )
    place = Path(data_dir) if data_dir else workspace / "data"
    return place if is_in("cifar10", place) else None


def _short(record: "DoneRecord") -> Values:
    from pipelines.workspace import records
    from pipelines.workspace.schema import TOTAL

    return {
        **{name: getattr(record, name) for name in ("run", "name", "mode", "parameters", "flops")},
        "test_accuracy": record.test.accuracy,
        "test_interval": record.test.interval,
        "seconds": records.with_total(record.seconds)[TOTAL],
    }
