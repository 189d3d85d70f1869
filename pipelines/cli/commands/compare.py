"""`pipeline compare`: runs on the same test images."""

from typing import TYPE_CHECKING, Any

import click

from extract.errors import InvalidInputError
from pipelines.cli.options import shared
from pipelines.cli.terminal.show import Column, percent, table

if TYPE_CHECKING:
    from heads import Comparison

Record = dict[str, Any]
COLUMNS = [
    Column("run"),
    Column("what", named=True),
    Column("test", right=True, drop=2),
    Column("difference, points", right=True),
    Column("interval", right=True),
    Column("p", right=True, drop=1),
]


@click.command("compare")
@click.argument("runs", nargs=-1, metavar="FIRST SECOND...")
@shared.common
def compare_command(run: shared.Run, runs: tuple[str, ...]) -> None:
    """Compare run SECOND, and any further runs, with run FIRST, image by image.

    The difference of their accuracies with its 95 % interval, and McNemar's test (mid-p) that both err equally
    often: zero is outside the interval exactly where p is below 0.05. Of several comparisons both are corrected for
    their number (Holm).
    """
    from pipelines.tasks.compare import compare
    from pipelines.workspace import naming, records

    if len(runs) < 2:
        given = f"got {runs[0]!r} alone" if runs else "got none"
        raise InvalidInputError(f"runs to compare must be at least two; {given}. `pipeline runs` lists them.")
    read = [records.read(run.workspace, name) for name in runs]
    one, *others = [{**record, "name": name} for record, name in zip(read, naming.names(read), strict=True)]
    comparisons = compare(run.workspace, one["run"], [other["run"] for other in others])
    found = list(zip(others, comparisons, strict=True))
    pairs = [_answer(one, other, comparison) for other, comparison in found]
    answer = {**pairs[0], "comparisons": pairs}
    run.reporter.result(answer, _pair(one, *found[0]) if len(found) == 1 else _table(one, found))


def _answer(one: Record, other: Record, found: "Comparison") -> dict[str, Any]:
    return {"first": one["run"], "second": other["run"], "names": [one["name"], other["name"]], **found.as_dict()}


def _pair(one: Record, other: Record, found: "Comparison") -> list[str]:
    low, high = found.interval
    return [
        f"{one['run']}  {one['name']}: {percent(found.accuracy_a)}",
        f"{other['run']}  {other['name']}: {percent(found.accuracy_b)}",
        f"difference          {100 * found.difference:+.2f} points  (95 % interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}, {found.rows} images)",
        f"correct             only the first: {found.only_a}, only the second: {found.only_b} images",
        f"McNemar's mid-p     p = {found.p_value:.3g}",
    ]


def _table(one: Record, found: "list[tuple[Record, Comparison]]") -> list[str]:
    first = found[0][1]
    heading = f"against {one['run']}  {one['name']}: {percent(first.accuracy_a)} of {first.rows} images"
    rows = [
        [
            other["run"],
            other["name"],
            percent(pair.accuracy_b),
            f"{100 * pair.difference:+.2f}",
            f"{100 * pair.interval[0]:+.2f} to {100 * pair.interval[1]:+.2f}",
            f"{pair.p_value:.3g}",
        ]
        for other, pair in found
    ]
    note = (
        f"p (McNemar's mid-p) and intervals are corrected for {len(found)} comparisons (Holm): zero is outside an "
        "interval where p is below 0.05."
    )
    return [heading, *table(COLUMNS, rows), note]
