"""`pipeline cache`: files of the workspace by kind, and trimming."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from extract.runtime.formats import duration, size
from pipelines.cli.options import shared
from pipelines.cli.options.declared import HeadedCommand
from pipelines.cli.terminal.table import TableColumn, table

if TYPE_CHECKING:
    from pipelines.workspace.inventory import Kept

SHOWN_FILES = 10
DAY_SECONDS = 86_400.0
KINDS: "list[TableColumn[tuple[str, list[Kept]]]]" = [
    TableColumn("kept", lambda row: row[0]),
    TableColumn("files", lambda row: str(len(row[1])), right=True),
    TableColumn("size", lambda row: size(_bytes(row[1])), right=True),
    TableColumn("last used", lambda row: _ago(min(one.age_seconds for one in row[1])), right=True),
    TableColumn("longest unused", lambda row: _ago(max(one.age_seconds for one in row[1])), right=True, drop=1),
]


@click.group("cache", invoke_without_command=True)
@shared.taking("workspace")
def cache_group(run: shared.Invocation) -> None:
    """Show what the workspace keeps, its size and age; `trim` makes it smaller."""
    if click.get_current_context().invoked_subcommand is None:
        _show(run)


@cache_group.command("trim", cls=HeadedCommand)
@click.option("--to", "limit", required=True, metavar="SIZE", help="What may stay, e.g. 2GiB; data sets do not count.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@shared.taking("workspace")
def trim_command(run: shared.Invocation, limit: str, dry_run: bool) -> None:
    """Delete what can be computed again until the workspace fits in SIZE.

    What killed processes left over goes first, then checkpoints of finished runs and the feature files that were
    not used for longest. Records, heads and networks stay, and so does what a running process works on.
    """
    from pipelines.workspace import inventory

    to_bytes = inventory.parse_size(limit)
    kept = inventory.inventory(run.workspace)
    going = inventory.removable(run.workspace, kept, to_bytes=to_bytes)
    reasons = inventory.remove(going, dry_run=dry_run)
    gone = [one for one in going if not reasons[one]]
    in_use = [one for one in going if reasons[one]]
    freed = _bytes(gone)
    left = _bytes([one for one in kept if one.kind != inventory.DATA]) - freed
    values = {
        "removed": [_facts(one, run) for one in gone],
        "in_use": [str(one.path.relative_to(run.workspace)) for one in in_use],
        "freed_bytes": freed,
        "bytes": left,
        "dry_run": dry_run,
    }
    lines = [f"{one.path.name}  {size(one.byte_count)}" for one in gone if one.byte_count]
    lines += [f"{one.path.relative_to(run.workspace)}  stays: {reasons[one]}" for one in in_use if one.byte_count]
    lines.append(f"{'would free' if dry_run else 'freed'} {size(freed)}; {size(left)} stay")
    if left > to_bytes:
        also = ", and so do the files named above" if in_use else ""
        lines.append(f"more than {size(to_bytes)}: records, heads, networks and searches stay{also}")
    run.reporter.result(values, lines)


def _show(run: shared.Invocation) -> None:
    from pipelines.workspace import inventory

    kept = inventory.inventory(run.workspace)
    kinds = {kind: [one for one in kept if one.kind == kind] for kind in inventory.KINDS}
    largest = [one for one in kept if one.kind in (inventory.FEATURES, inventory.CHECKPOINTS)]
    values = {
        "workspace": str(run.workspace),
        "bytes": _bytes(kept),
        "kinds": {
            kind: {
                "files": len(files),
                "bytes": _bytes(files),
                "newest_seconds": min((one.age_seconds for one in files), default=None),
                "oldest_seconds": max((one.age_seconds for one in files), default=None),
            }
            for kind, files in kinds.items()
        },
        "recomputable": [_facts(one, run) for one in largest],
    }
    if not kept:
        run.reporter.result(values, [f"nothing is kept in {run.workspace}"])
        return
    title = "largest that can be computed again"
    files: list[TableColumn[Kept]] = [
        TableColumn(title, lambda one: str(one.path.relative_to(run.workspace)), shrinks=True),
        TableColumn("size", lambda one: size(one.byte_count), right=True),
        TableColumn("last used", lambda one: _ago(one.age_seconds), right=True),
    ]
    lines = table(KINDS, [(kind, files) for kind, files in kinds.items() if files])
    lines += ["", *table(files, largest[:SHOWN_FILES])] if largest else []
    run.reporter.result(values, [*lines, "", f"{size(_bytes(kept))} in {run.workspace}"])


def _facts(kept: "Kept", run: shared.Invocation) -> dict[str, object]:
    return {
        "path": str(kept.path.relative_to(run.workspace)),
        "kind": kept.kind,
        "bytes": kept.byte_count,
        "age_seconds": kept.age_seconds,
    }


def _bytes(files: "Sequence[Kept]") -> int:
    return sum(one.byte_count for one in files)


def _ago(seconds: float) -> str:
    return f"{seconds / DAY_SECONDS:.0f} days ago" if seconds > 2 * DAY_SECONDS else f"{duration(seconds)} ago"
