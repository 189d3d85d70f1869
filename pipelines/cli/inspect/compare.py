"""`pipeline compare`: runs on the same test images."""

from typing import TYPE_CHECKING, NamedTuple

import click

from extract.errors import InvalidInputError
from extract.runtime.formats import p_text, percent
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command
from pipelines.cli.terminal.table import TableColumn, facts, table

if TYPE_CHECKING:
    from heads import Comparison


class Compared(NamedTuple):
    """A run, and its comparison with the first one."""

    run: str
    name: str
    found: "Comparison"


COLUMNS: list[TableColumn[Compared]] = [
    TableColumn("run", lambda one: one.run),
    TableColumn("what", lambda one: one.name, named=True),
    TableColumn("test", lambda one: percent(one.found.accuracy_b), right=True, drop=2),
    TableColumn("difference, points", lambda one: f"{100 * one.found.difference:+.2f}", right=True),
    TableColumn("interval", lambda one: _interval(one.found), right=True),
    TableColumn("p", lambda one: p_text(one.found.p_value), right=True, drop=1),
]


@command("compare")
@click.argument("runs", nargs=-1, metavar="FIRST SECOND...")
@shared.taking("workspace")
def compare_command(run: shared.Invocation, runs: tuple[str, ...]) -> None:
    """Compare run SECOND, and any further runs, with run FIRST, image by image.

    The difference of their accuracies with its 95 % interval, and McNemar's test (mid-p) that both err equally
    often: zero is outside the interval exactly where p is below 0.05. Of several comparisons both are corrected for
    their number (Holm).
    """
    from pipelines.tasks.compare import compare
    from pipelines.workspace import naming, records

    if len(runs) < 2:
        count = f"got {runs[0]!r} alone" if runs else "got none"
        raise InvalidInputError(f"runs to compare must be at least two; {count}. `pipeline runs` lists them.")
    first, *others = read = [records.done(run.workspace, name) for name in runs]
    if len({one.run for one in read}) < len(read):
        raise InvalidInputError(f"runs to compare must differ; got {', '.join(runs)}. Name each once.")
    name, *names = naming.names(read)
    comparisons = compare(run.workspace, first.run, [other.run for other in others])
    compared = list(map(Compared, (other.run for other in others), names, comparisons))
    answers = [
        {"first": first.run, "second": one.run, "names": [name, one.name], **one.found.as_dict()} for one in compared
    ]
    accuracy = percent(comparisons[0].accuracy_a)
    if len(compared) == 1:
        lines = [f"{first.run}  {name}: {accuracy}", *_pair(compared[0])]
    else:
        lines = [
            f"against {first.run}  {name}: {accuracy} of {comparisons[0].rows} images",
            *table(COLUMNS, compared),
            f"p (McNemar's mid-p) and intervals are corrected for {len(compared)} comparisons (Holm): zero is outside "
            "an interval where p is below 0.05.",
        ]
    run.reporter.result({**answers[0], "comparisons": answers}, lines)


def _pair(other: Compared) -> list[str]:
    found = other.found
    return [
        f"{other.run}  {other.name}: {percent(found.accuracy_b)}",
        *facts(
            {
                "difference": f"{100 * found.difference:+.2f} points  (95 % interval {_interval(found)}, "
                f"{found.rows} images)",
                "correct": f"only the first: {found.only_a}, only the second: {found.only_b} images",
                "McNemar's mid-p": f"p {p_text(found.p_value)}",
            }
        ),
    ]


def _interval(found: "Comparison") -> str:
    low, high = found.interval
    return f"{100 * low:+.2f} to {100 * high:+.2f}"
