"""`pipeline runs`: what has been run in this workspace."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import click

from pipelines.cli.options import shared
from pipelines.cli.terminal.show import Column, defused, duration, percent, size, table
from pipelines.workspace import naming, writable

SHOWN = [
    Column("run"),
    Column("what", named=True),
    Column("data", shrinks=True, drop=2),
    Column("validation", right=True, drop=1),
    Column("test", right=True),
    Column("95 % interval", right=True, drop=4),
    Column("size", right=True, drop=6),
    Column("search and fit", right=True, drop=5),
    Column("status", drop=3),
]
JOINED = [
    Column("what", named=True),
    Column("data", shrinks=True),
    Column("runs", right=True, drop=3),
    Column("seeds", drop=6),
    Column("validation", right=True, drop=1),
    Column("test", right=True),
    Column("95 % interval", right=True, drop=2),
    Column("SD, pts", right=True, drop=4),
    Column("range", right=True, drop=5),
    Column("time", right=True, drop=7),
]


@click.command("runs")
@click.option("--dataset", metavar="NAME", help="Only runs on this data set.")
@click.option("--mode", metavar="frozen|finetuned|scratch", help="Only runs of this mode.")
@click.option("--head", metavar="NAME", help="Only runs of this kind of head.")
@click.option("--architecture", metavar="NAME", help="Only runs of this backbone or network.")
@click.option("--status", metavar="done|failed", help="Only runs that ended so.")
@click.option("--kind", metavar="head|network", help="Only runs of this kind.")
@click.option(
    "--sort", default="created", show_default=True, metavar="COLUMN", help="The column to sort by, as named in --csv."
)
@click.option("--reverse", is_flag=True, help="The greatest first.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE", help="Write every column there.")
@click.option("--join-seeds", is_flag=True, help="Join runs that differ only by their seeds: mean and deviation.")
@shared.common
def runs_command(
    run: shared.Run, sort: str, reverse: bool, csv_file: Path | None, join_seeds: bool, **where: str | None
) -> None:
    """List the runs of a workspace, the oldest first.

    Filters take * and ?, as in --architecture 'resnet*'. Broken records are named on stderr and left out.
    """
    from pipelines.tasks.table import joined, rows

    wanted = {name: value for name, value in where.items() if value is not None}
    found, problems = rows(run.workspace, where=wanted, sort=sort, reverse=reverse)
    for problem in problems:
        run.reporter.notice(problem)
    if csv_file is not None:
        _write(csv_file, found)
    answer = {"runs": found, "count": len(found), "problems": problems, "csv": csv_file and str(csv_file)}
    if join_seeds:
        answer["joined"] = joined(run.workspace, {one["run"] for one in found})
    lines = ranking(answer["joined"]) if join_seeds else _text(found)
    run.reporter.result(answer, lines if found else ["no runs"])


def _text(found: list[dict[str, Any]]) -> list[str]:
    return described(SHOWN, [_cells(one) for one in found], found)


def described(columns: list[Column], rows: list[list[str]], found: list[dict[str, Any]]) -> list[str]:
    """The lines of a table of runs; data that all of them share stand above it, once."""
    data = {one["data"] for one in found if one["data"]}
    if len(data) != 1:
        return table(columns, rows)
    at = next(at for at, column in enumerate(columns) if column.title == "data")
    lines = table([*columns[:at], *columns[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows])
    sizes, weights = ([one[name] for one in found] for name in ("image_size", "weights"))
    return [naming.setting(*data, sizes=sizes, weights=weights), *lines]


def _cells(one: dict[str, Any]) -> list[str]:
    taken = [one[f"{part}_seconds"] for part in ("search", "fit")]
    interval = (one["interval_low"], one["interval_high"])
    return [
        one["run"],
        one["name"],
        one["data"],
        _rate(one["validation_accuracy"]),
        _rate(one["test_accuracy"]),
        "" if interval[0] is None else " to ".join(percent(end, 1) for end in interval),
        "" if one["bytes"] is None else size(one["bytes"]),
        "" if taken == [None, None] else duration(sum(part or 0.0 for part in taken)),
        one["status"],
    ]


def ranking(found: list[dict[str, Any]]) -> list[str]:
    """The lines of a table of runs that are joined over their seeds (`pipelines.tasks.table.joined`)."""
    silent = sorted({one["name"] for one in found if len(one["runs"]) > 1 and one["deviation"] is None})
    note = f"no standard deviation of {', '.join(silent)}: their seeds vary at most the validation images"
    ranked = "validation" if all(one["validation"] is not None for one in found) else "test"
    why = "" if ranked == "validation" else ", for not every run has a validation accuracy"
    notes = [*([note] if silent else []), f"ranked by {ranked} accuracy{why}"]
    return [*described(JOINED, [_joined_cells(one) for one in found], found), *notes]


def _joined_cells(one: dict[str, Any]) -> list[str]:
    return [
        one["name"],
        one["data"],
        str(len(one["runs"])),
        ", ".join(map(str, sorted(one["seeds"]))),
        _rate(one["validation"]),
        _rate(one["mean"]),
        " to ".join(percent(end, 1) for end in one["interval"]),
        "" if one["deviation"] is None else f"{100 * one['deviation']:.2f}",
        f"{percent(one['least'])} to {percent(one['greatest'])}" if len(one["runs"]) > 1 else "",
        "" if one["seconds"] is None else duration(one["seconds"]),
    ]


def _rate(share: float | None) -> str:
    return "" if share is None else percent(share)


def _write(path: Path, found: list[dict[str, Any]]) -> None:
    from pipelines.tasks.table import COLUMNS

    columns = dict.fromkeys([*COLUMNS, *sorted({name for row in found for name in row} - {*COLUMNS})])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in found)
    writable.write("csv file", path, text.getvalue())


def _cell(value: Any) -> object:
    """A value as it stands in a CSV file: numbers without what rounding left, lists as JSON."""
    if isinstance(value, float):
        return float(f"{value:.15g}")
    return json.dumps(value) if isinstance(value, list | dict) else defused(value)
