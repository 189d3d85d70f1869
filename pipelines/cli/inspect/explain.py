"""`pipeline explain`: pictures of what a trained network sees, kept for the report."""

from pathlib import Path

import click

from extract.errors import InvalidInputError
from extract.runtime.formats import percent
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.specs.data import DataSpec
from pipelines.workspace import records
from pipelines.workspace.schema import DoneRecord


@command("explain")
@click.argument("name", metavar="RUN")
@declared(DataSpec, only=("data_dir",))
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="A folder of class folders that the run was made on. Can be repeated.",
)
@shared.taking("workspace", "threads")
def explain_command(run: shared.Invocation, *, name: str, options: dict[str, str], images: tuple[Path, ...]) -> None:
    """Make the pictures that explain a trained network.

    An augmented batch, the first layer's filters, Grad-CAM of right and of confidently wrong answers, and the test
    images in the plane after each stage. They are kept in the workspace, and `pipeline report` shows them.
    """
    from pipelines.report.study.images import Images
    from pipelines.tasks.explain import StageMap, pictures

    record = records.read(run.workspace, records.resolve(run.workspace, name))
    if not isinstance(record, DoneRecord) or record.kind != "network":
        what = record.error if not isinstance(record, DoneRecord) else "a head on frozen features"
        raise InvalidInputError(
            f"run must be a trained network; got {record.run}, {what}. `pipeline runs --kind network` lists them."
        )
    places = [Path(one) for one in (options.get("data_dir"), *shared.data_dirs().values()) if one]
    found = Images(run.workspace, places, images)
    train, test = found.train_split(record), found.test_split(record)
    for problem in found.problems:
        run.reporter.notice(problem)
    if train is None or test is None:
        raise InvalidInputError(
            f"images of {record.dataset.name} must be at hand; got none of the recorded digest. Name their place with "
            "--data-dir or --images."
        )
    made = pictures(run.workspace, record.run, train=train, test=test, progress=run.reporter.progress)
    columns = [
        TableColumn[StageMap]("after", lambda stage: stage["stage"]),
        TableColumn[StageMap]("nearest is of its class", lambda stage: percent(stage["nearest"], 0), right=True),
    ]
    values = {
        "run": record.run,
        "grad_cam": any(one["predicted_map"] for one in (*made["right"], *made["wrong"])),
        "filters": len(made["filters"]),
        "stages": {one["stage"]: one["nearest"] for one in made["stages"]},
    }
    lines = [f"pictures of {record.name}: `pipeline report` shows them", "", *table(columns, made["stages"])]
    run.reporter.result(values, lines)
