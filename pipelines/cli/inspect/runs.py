"""`pipeline runs`: what has been run in this workspace."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import click

from extract.errors import InvalidInputError
from extract.runtime.formats import duration, percent, size, span
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.cli.terminal.text import defused
from pipelines.tasks.table import COLUMNS, rows, under
from pipelines.workspace import naming, writable

RUNS: list[TableColumn[Values]] = [
    TableColumn("run", lambda row: row["run"]),
    TableColumn("what", lambda row: row["name"], named=True),
    TableColumn("data", lambda row: row["data"], shrinks=True, drop=2),
    TableColumn("validation", lambda row: percent(row["validation_accuracy"]), right=True, drop=1),
    TableColumn("test", lambda row: percent(row["test_accuracy"]), right=True),
    TableColumn("95 % interval", lambda row: span(row["interval_low"], row["interval_high"], 1), right=True, drop=4),
    TableColumn("size", lambda row: size(row["bytes"]), right=True, drop=6),
    TableColumn("search and fit", lambda row: duration(under(row, "search and fit")), right=True, drop=5),
    TableColumn("status", lambda row: row["status"], drop=3),
]
JOINED: list[TableColumn[Values]] = [
    TableColumn("what", lambda row: row["name"], named=True),
    TableColumn("data", lambda row: row["data"], shrinks=True),
    TableColumn("runs", lambda row: str(len(row["runs"])), right=True, drop=3),
    TableColumn("seeds", lambda row: ", ".join(map(str, sorted(row["seeds"]))), drop=6),
    TableColumn("validation", lambda row: percent(row["validation"]), right=True, drop=1),
    TableColumn("test", lambda row: percent(row["mean"]), right=True),
    TableColumn("95 % interval", lambda row: span(*row["interval"], digits=1), right=True, drop=2),
    TableColumn("SD, pts", lambda row: points(row["deviation"]), right=True, drop=4),
    TableColumn(
        "range", lambda row: span(row["least"], row["greatest"]) if len(row["runs"]) > 1 else "", right=True, drop=5
    ),
    TableColumn("time", lambda row: duration(row["seconds"]), right=True, drop=7),
]


@command("runs")
@click.option("--dataset", metavar="NAME", help="Only runs on this data set.")
@click.option("--mode", metavar="frozen|finetuned|scratch", help="Only runs of this mode.")
@click.option("--head", metavar="NAME", help="Only runs of this kind of head.")
@click.option("--architecture", metavar="NAME", help="Only runs of this backbone or network.")
@click.option("--status", metavar="done|failed", help="Only runs that ended so.")
@click.option("--kind", metavar="head|network", help="Only runs of this kind.")
@click.option(
    "--sort",
    default="created",
    show_default=True,
    metavar="COLUMN",
    help="The column to sort by, named as in the table or in --csv.",
)
@click.option("--reverse", is_flag=True, help="The greatest first.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE", help="Write every column there.")
@click.option("--join-seeds", is_flag=True, help="Join runs that differ only by their seeds: mean and deviation.")
@shared.taking("workspace")
def runs_command(
    run: shared.Invocation, sort: str, reverse: bool, csv_file: Path | None, join_seeds: bool, **where: str | None
) -> None:
    """List the runs of a workspace, the oldest first.

    Filters take * and ?, as in --architecture 'resnet*'. Broken records are named on stderr and left out.
    """
    if join_seeds and shared.is_written("sort", "reverse"):
        raise InvalidInputError("sort and reverse must be left out with --join-seeds, which ranks by accuracy.")
    filters = {name: value for name, value in where.items() if value is not None}
    found, problems = rows(run.workspace, where=filters, sort=sort, reverse=reverse)
    for problem in problems:
        run.reporter.notice(problem)
    if csv_file is not None:
        _write(csv_file, found)
    answer = {"runs": found, "count": len(found), "problems": problems, "csv": csv_file and str(csv_file)}
    if join_seeds:
        from pipelines.report.study.study import joined

        answer["joined"] = joined(run.workspace, {one["run"] for one in found})
    lines = ranking(answer["joined"]) if join_seeds else listed(RUNS, found)
    run.reporter.result(
        answer, lines if found else ["no run fits these filters" if filters else f"no runs in {run.workspace}"]
    )


def listed(columns: Sequence[TableColumn[Values]], found: list[Values]) -> list[str]:
    """The lines of a table of runs; data that all of them share stand above it, once."""
    data = {row["data"] for row in found if row["data"]}
    if len(data) != 1:
        return table(columns, found)
    sizes, weights = ([row[name] for row in found] for name in ("image_size", "weights"))
    shown = [column for column in columns if column.title != "data"]
    return [naming.setting(*data, sizes=sizes, weights=weights), *table(shown, found)]


def ranking(found: list[Values]) -> list[str]:
    """The lines of a table of runs that are joined over their seeds (`pipelines.report.study.study.joined`)."""
    silent = sorted({row["name"] for row in found if len(row["runs"]) > 1 and row["deviation"] is None})
    notes = [f"no standard deviation of {', '.join(silent)}: their seeds vary at most the validation images"]
    validated = all(row["validation"] is not None for row in found)
    ranked = "validation accuracy" if validated else "test accuracy, for not every run has a validation accuracy"
    return [*listed(JOINED, found), *(notes if silent else []), f"ranked by {ranked}"]


def points(deviation: float | None) -> str:
    """A standard deviation in points of accuracy; "" for None."""
    return "" if deviation is None else f"{100 * deviation:.2f}"


def _write(path: Path, found: list[Values]) -> None:

    columns = dict.fromkeys([*COLUMNS, *sorted({name for row in found for name in row} - {*COLUMNS})])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in found)
    writable.write("csv file", path, text.getvalue())


def _cell(value: object) -> object:
    """A value as it stands in a CSV file: numbers without what rounding left, lists as JSON."""
    if isinstance(value, float):
        return float(f"{value:.15g}")
    return json.dumps(value) if isinstance(value, list | tuple | dict) else defused(value)
