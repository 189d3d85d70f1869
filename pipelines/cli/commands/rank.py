"""`pipeline rank`: which backbone suits a data set, before all of it is extracted with each."""

from dataclasses import replace

import click
from msgspec import to_builtins

from extract.errors import InvalidInputError
from extract.runtime.formats import amount, duration, percent, plural, size, span
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.specs import ExtractSpec
from pipelines.workspace.parts.inspections import RankedBackbone, RankingResult

ROWS = 2000
COLUMNS: list[TableColumn[RankedBackbone]] = [
    TableColumn("backbone", lambda one: one.backbone, shrinks=True),
    TableColumn("probe", lambda one: percent(one.accuracy, 1), right=True),
    TableColumn("95 % interval", lambda one: span(*one.interval, digits=1), right=True, drop=3),
    TableColumn("LogME", lambda one: f"{one.logme:.3f}", right=True, drop=1),
    TableColumn("H-score", lambda one: f"{one.h_score:.2f}", right=True, drop=2),
    TableColumn("parameters", lambda one: amount(one.parameters), right=True, drop=5),
    TableColumn("all images", lambda one: duration(one.seconds) or "not known", right=True),
    TableColumn("on disk", lambda one: size(one.file_bytes), right=True, drop=4),
]


@command("rank")
@click.option("--backbones", metavar="NAME,...", required=True, help="Backbones to rank.")
@declared(
    ExtractSpec,
    but=("backbone", "test_subset", "views"),
    help={"subset": f"N training images, stratified and seeded.  [default: {ROWS}, or all]"},
)
@shared.common
def rank_command(run: shared.Invocation, backbones: str, options: Values) -> None:
    """Rank backbones on a subset of the training images.

    By the accuracy of a short linear probe on images that it did not learn from, LogME and H-score, beside what
    extracting all images would take. No test image is scored.
    """
    from pipelines.tasks.inspection.rank import rank

    names = list(dict.fromkeys(name.strip() for name in backbones.split(",")))
    if "" in names:
        raise InvalidInputError(f"backbones must be names with commas between; got {backbones!r}. Leave none empty.")
    spec = run.spec(ExtractSpec, options)
    rows = spec.subset or ROWS
    found = rank([replace(spec, backbone=name) for name in names], rows=rows, context=run.context())
    run.reporter.result(to_builtins(found), [*table(COLUMNS, found.backbones), "", *advice(found, rows=rows)])


def advice(found: RankingResult, *, rows: int) -> list[str]:
    """The recommendation in sentences; `rows` images were to be ranked on, and there may have been fewer."""
    able = [one.backbone for one in found.backbones if not one.is_worse]
    others = ", ".join(name for name in able if name != found.recommended)
    said = f"recommended: {found.recommended}, on {plural(found.rows, 'training image')} of {found.dataset}"
    if len(found.backbones) == 1:
        return [f"{said}: the only one that was ranked"]
    if not others:
        return [f"{said}; every other is worse there (paired, 95 %, corrected for all pairs)"]
    more = "" if found.rows < rows else ". More images tell more: --subset"
    return [f"{said}: no difference shown from {others}, and the cheapest of them (FLOPs){more}"]
