"""`pipeline features`: look into feature files."""

from pathlib import Path

import click

from extract.runtime.disk import disk_errors
from extract.runtime.formats import size, written
from pipelines.cli.options import shared
from pipelines.cli.options.declared import HeadedCommand
from pipelines.cli.terminal.table import facts
from pipelines.workspace import writable

FILE = click.Path(path_type=Path)


@click.group("features")
def features_group() -> None:
    """Look into feature files: info, verify, compare, export."""


@features_group.command("info", cls=HeadedCommand)
@click.argument("file", type=FILE)
@shared.taking()
def info_command(run: shared.Invocation, file: Path) -> None:
    """Show what a feature file holds, and the options that made it."""
    from extract.features.store import FeatureFile

    opened = FeatureFile(file)
    values = {
        "path": str(file),
        "digest": opened.digest,
        "content": opened.content,
        "rows": {name: shape[1] for name, shape in opened.shapes.items()},
        "views": next(iter(opened.shapes.values()))[0],
        "dimension": opened.dimension,
        "storage": opened.storage,
        "file_bytes": file.stat().st_size,
        "engine": opened.engine,
        "class_names": list(opened.class_names),
        "skipped": list(opened.skipped_ids),
        "spec": opened.spec,
        "versions": opened.versions,
    }
    shown = {**values, "file_bytes": size(file.stat().st_size), **opened.spec}
    del shown["spec"]
    run.reporter.result(values, facts({key.replace("_", " "): written(value) for key, value in shown.items()}))


@features_group.command("verify", cls=HeadedCommand)
@click.argument("files", type=FILE, nargs=-1, required=True)
@shared.taking()
def verify_command(run: shared.Invocation, files: tuple[Path, ...]) -> None:
    """Check every block of feature files against its checksum."""
    from extract.features.store import FeatureFile

    for file in files:
        FeatureFile(file).verify()
    run.reporter.result({"verified": [str(file) for file in files]}, [f"{file}: intact" for file in files])


@features_group.command("compare", cls=HeadedCommand)
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@shared.taking()
def compare_command(run: shared.Invocation, first: Path, second: Path) -> None:
    """Compare two feature files row by row, matched by image id."""
    from extract.features.compare import compare
    from extract.features.store import FeatureFile

    values = compare(FeatureFile(first), FeatureFile(second))
    lines = [f"{key}: {written(a)} and {written(b)}" for key, (a, b) in values["differences"].items()]
    lines = lines or ["the options that made them are equal"]
    lines += [f"{name}: {written(one, 9)}" for name, one in values["splits"].items()]
    run.reporter.result({**values}, lines)


@features_group.command("export", cls=HeadedCommand)
@click.argument("file", type=FILE)
@click.argument("output", type=FILE)
@shared.taking()
def export_command(run: shared.Invocation, file: Path, output: Path) -> None:
    """Write a feature file as a table: .parquet, .npz, .csv or .h5ad (AnnData).

    A row is an image: its id, split and label, and the features of its plain view.
    """
    from extract.features.export import WRITERS, write
    from extract.features.store import FeatureFile

    writable.check("table", output, stream=False, kinds=tuple(WRITERS))
    opened = FeatureFile(file)
    partial = output.with_name(f".{output.name}.partial{output.suffix}")
    try:
        with disk_errors(output):
            rows = write(opened, partial)
            partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    values = {"path": str(output), "rows": rows, "dimension": opened.dimension}
    run.reporter.result(values, [f"{rows} rows of {opened.dimension} in {output}"])
