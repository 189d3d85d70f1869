"""`pipeline compare`: runs on the same test images."""

from typing import TYPE_CHECKING, Any

import click

from extract.errors import InvalidInputError
from pipelines.cli.options import shared
from pipelines.cli.terminal.table import Column, facts, table
from pipelines.cli.terminal.text import percent

if TYPE_CHECKING:
    from heads import Comparison

Pair = tuple[dict[str, Any], "Comparison"]
COLUMNS: "list[Column[Pair]]" = [
    Column("run", lambda pair: pair[0]["run"]),
    Column("what", lambda pair: pair[0]["name"], named=True),
    Column("test", lambda pair: percent(pair[1].accuracy_b), right=True, drop=2),
    Column("difference, points", lambda pair: f"{100 * pair[1].difference:+.2f}", right=True),
    Column("interval", lambda pair: _interval(pair[1]), right=True),
    Column("p", lambda pair: f"{pair[1].p_value:.3g}", right=True, drop=1),
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
    pairs = list(zip(others, comparisons, strict=True))
    answers = [
        {"first": one["run"], "second": other["run"], "names": [one["name"], other["name"]], **found.as_dict()}
        for other, found in pairs
    ]
    lines = _one(one, pairs[0]) if len(pairs) == 1 else _several(one, pairs)
    run.reporter.result({**answers[0], "comparisons": answers}, lines)


def _one(one: dict[str, Any], pair: Pair) -> list[str]:
    other, found = pair
    return [
        f"{one['run']}  {one['name']}: {percent(found.accuracy_a)}",
        f"{other['run']}  {other['name']}: {percent(found.accuracy_b)}",
        *facts(
            {
                "difference": f"{100 * found.difference:+.2f} points  (95 % interval {_interval(found)}, "
                f"{found.rows} images)",
                "correct": f"only the first: {found.only_a}, only the second: {found.only_b} images",
                "McNemar's mid-p": f"p = {found.p_value:.3g}",
            }
        ),
    ]


def _several(one: dict[str, Any], pairs: list[Pair]) -> list[str]:
    first = pairs[0][1]
    return [
        f"against {one['run']}  {one['name']}: {percent(first.accuracy_a)} of {first.rows} images",
        *table(COLUMNS, pairs),
        f"p (McNemar's mid-p) and intervals are corrected for {len(pairs)} comparisons (Holm): zero is outside an "
        "interval where p is below 0.05.",
    ]


def _interval(found: "Comparison") -> str:
    low, high = found.interval
    return f"{100 * low:+.2f} to {100 * high:+.2f}"
