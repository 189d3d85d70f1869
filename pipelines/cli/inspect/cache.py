"""`pipeline cache`: what is kept, and how to make it smaller."""

from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.options import shared
from pipelines.cli.terminal.show import Column, size, table

if TYPE_CHECKING:
    from pipelines.workspace.inventory import Kept

SHOWN_FILES = 10
DAY_SECONDS = 86_400.0
AGE = Column("last used", right=True)
KINDS = [
    Column("kept"),
    Column("files", right=True),
    Column("size", right=True),
    AGE,
    Column("longest unused", right=True, drop=1),
]
LARGEST = [Column("largest that can be computed again", shrinks=True), Column("size", right=True), AGE]


@click.group("cache", invoke_without_command=True)
@shared.common
def cache_group(run: shared.Run) -> None:
    """Show what the workspace keeps, its size and age; `trim` makes it smaller."""
    if click.get_current_context().invoked_subcommand is None:
        _show(run)


@cache_group.command("trim")
@click.option("--to", "limit", required=True, metavar="SIZE", help="What may stay, e.g. 2GiB; data sets do not count.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@shared.common
def trim_command(run: shared.Run, limit: str, dry_run: bool) -> None:
    """Delete what can be computed again until the workspace fits in SIZE.

    What killed processes left over goes first, then checkpoints of finished runs and the feature files that were
    not used for longest. Records, heads and networks stay, and so does what a running process works on.
    """
    from pipelines.workspace import inventory

    to_bytes = inventory.parse_size(limit)
    kept = inventory.inventory(run.workspace)
    going = inventory.removable(run.workspace, kept, to_bytes=to_bytes)
    gone = going if dry_run else inventory.remove(going)
    freed = sum(one.byte_count for one in gone)
    left = sum(one.byte_count for one in kept if one.kind != inventory.DATA) - freed
    run.reporter.result(
        {
            "removed": [_facts(one, run) for one in gone],
            "in_use": [str(one.path.relative_to(run.workspace)) for one in going if one not in gone],
            "freed_bytes": freed,
            "bytes": left,
            "dry_run": dry_run,
        },
        _trim_text(going, gone, left=left, limit=to_bytes, dry_run=dry_run),
    )


def _trim_text(going: list["Kept"], gone: list["Kept"], *, left: int, limit: int, dry_run: bool) -> list[str]:
    freed = sum(one.byte_count for one in gone)
    lines = [f"{one.path.name}  {size(one.byte_count)}" for one in gone if one.byte_count]
    lines += [f"{one.path.name}  stays: it is in use" for one in going if one not in gone and one.byte_count]
    lines.append(f"{'would free' if dry_run else 'freed'} {size(freed)}; {size(left)} stay")
    if left > limit:
        lines.append(f"more than {size(limit)}: what stays are records, heads and networks, and files in use")
    return lines


def _show(run: shared.Run) -> None:
    from pipelines.workspace import inventory

    kept = inventory.inventory(run.workspace)
    kinds = {kind: [one for one in kept if one.kind == kind] for kind in inventory.KINDS}
    totals = {
        kind: {
            "files": len(files),
            "bytes": sum(one.byte_count for one in files),
            "newest_seconds": min((one.age_seconds for one in files), default=None),
            "oldest_seconds": max((one.age_seconds for one in files), default=None),
        }
        for kind, files in kinds.items()
    }
    largest = [_facts(one, run) for one in kept if one.kind in (inventory.FEATURES, inventory.CHECKPOINTS)]
    values = {
        "workspace": str(run.workspace),
        "bytes": sum(one.byte_count for one in kept),
        "kinds": totals,
        "recomputable": largest,
    }
    run.reporter.result(values, _text(values))


def _facts(kept: "Kept", run: shared.Run) -> dict[str, Any]:
    return {
        "path": str(kept.path.relative_to(run.workspace)),
        "kind": kept.kind,
        "bytes": kept.byte_count,
        "age_seconds": kept.age_seconds,
    }


def _text(values: dict[str, Any]) -> list[str]:
    rows = [
        [kind, str(one["files"]), size(one["bytes"]), _age(one["newest_seconds"]), _age(one["oldest_seconds"])]
        for kind, one in values["kinds"].items()
        if one["files"]
    ]
    if not rows:
        return [f"nothing is kept in {values['workspace']}"]
    lines = table(KINDS, rows)
    files = values["recomputable"][:SHOWN_FILES]
    if files:
        rows = [[one["path"], size(one["bytes"]), _age(one["age_seconds"])] for one in files]
        lines += ["", *table(LARGEST, rows)]
    return [*lines, "", f"{size(values['bytes'])} in {values['workspace']}"]


def _age(seconds: float | None) -> str:
    from pipelines.cli.terminal.show import duration

    if seconds is None:
        return ""
    return f"{seconds / DAY_SECONDS:.0f} days ago" if seconds > 2 * DAY_SECONDS else f"{duration(seconds)} ago"
