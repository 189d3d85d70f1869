"""`pipeline runs`: what has been run in this workspace."""

import csv
import io
from pathlib import Path
from typing import Any

import click

from pipelines import writable
from pipelines.cli import options
from pipelines.cli.show import Column, defused, duration, size, table

SHOWN = [
    Column("run"),
    Column("what", shrinks=True),
    Column("data set", shrinks=True, drop=2),
    Column("validation", right=True, drop=1),
    Column("test", right=True),
    Column("95 % interval", right=True, drop=4),
    Column("size", right=True, drop=6),
    Column("search and fit", right=True, drop=5),
    Column("status", drop=3),
]
JOINED = [
    Column("what", shrinks=True),
    Column("data set", shrinks=True, drop=1),
    Column("runs", right=True, drop=3),
    Column("seeds", drop=6),
    Column("validation", right=True, drop=5),
    Column("test", right=True),
    Column("95 % interval", right=True, drop=4),
    Column("standard deviation, points", right=True),
    Column("range", right=True, drop=2),
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
@options.common
def runs_command(
    run: options.Run, sort: str, reverse: bool, csv_file: Path | None, join_seeds: bool, **where: str | None
) -> None:
    """List the runs of a workspace, the oldest first.

    Filters take * and ?, as in --architecture 'resnet*'. Broken records are named on stderr and left out.
    """
    from pipelines.table import joined, rows

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
    return table(SHOWN, [_cells(one) for one in found])


def _cells(one: dict[str, Any]) -> list[str]:
    taken = [one[f"{part}_seconds"] for part in ("search", "fit")]
    interval = (one["interval_low"], one["interval_high"])
    return [
        one["run"],
        one["name"] + (f", seed {one['seed']}" if one["seed"] else ""),
        (one["dataset"] or "") + (f", {one['subset']} images" if one["subset"] else ""),
        _rate(one["validation_accuracy"]),
        _rate(one["test_accuracy"]),
        "" if interval[0] is None else "{:.1%} to {:.1%}".format(*interval),
        "" if one["bytes"] is None else size(one["bytes"]),
        "" if taken == [None, None] else duration(sum(part or 0.0 for part in taken)),
        one["status"],
    ]


def ranking(found: list[dict[str, Any]]) -> list[str]:
    """The lines of a table of runs that are joined over their seeds (`pipelines.table.joined`)."""
    silent = sorted({one["name"] for one in found if len(one["runs"]) > 1 and one["deviation"] is None})
    note = f"no standard deviation of {', '.join(silent)}: their seeds vary at most the validation images"
    ranked = "validation" if all(one["validation"] is not None for one in found) else "test"
    why = "" if ranked == "validation" else ", for not every run has a validation accuracy"
    notes = [*([note] if silent else []), f"ranked by {ranked} accuracy{why}"]
    return [*table(JOINED, [_joined_cells(one) for one in found]), *notes]


def _joined_cells(one: dict[str, Any]) -> list[str]:
    return [
        one["name"],
        one["dataset"] + (f", {one['subset']} images" if one["subset"] else ""),
        str(len(one["runs"])),
        ", ".join(map(str, sorted(one["seeds"]))),
        _rate(one["validation"]),
        _rate(one["mean"]),
        "" if one["interval"] is None else "{:.1%} to {:.1%}".format(*one["interval"]),
        "" if one["deviation"] is None else f"{100 * one['deviation']:.2f}",
        f"{one['least']:.2%} to {one['greatest']:.2%}" if len(one["runs"]) > 1 else "",
        "" if one["seconds"] is None else duration(one["seconds"]),
    ]


def _rate(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _write(path: Path, found: list[dict[str, Any]]) -> None:
    from pipelines.table import COLUMNS

    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows({name: defused(value) for name, value in row.items()} for row in found)
    writable.write("csv file", path, text.getvalue())
