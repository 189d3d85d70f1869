"""`--features FILE`: a feature file that is named, or else the workspace's newest, where no options describe one."""

from pathlib import Path

import click

from extract.errors import InvalidInputError
from pipelines.cli.options import shared
from pipelines.cli.terminal.reporter import Values
from pipelines.specs import ExtractSpec

feature_option = click.option(
    "--features",
    "features_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A feature file, instead of the options that describe one.",
)


def chosen(run: shared.Invocation, file: Path | None, options: Values) -> Path | None:
    """The feature file that is named, or the newest one where none is described; else None."""
    from pipelines.tasks.features import newest

    described = describing(options)
    if file is not None:
        if described:
            raise InvalidInputError(
                f"features must come from a file or from options, not both; got --features and "
                f"--{described[0].replace('_', '-')}. Leave one out."
            )
        return file
    found = None if described else newest(run.workspace, notice=run.reporter.notice)
    if found is not None:
        run.reporter.notice(f"using the workspace's newest features, {found.name}")
    return found


def describing(options: Values) -> list[str]:
    """Those of the options that describe features."""
    return sorted(name for name in options if name in ExtractSpec.declared() and name != "data_dir")
