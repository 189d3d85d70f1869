"""`pipeline predict`: classes of raw images, by a run of the workspace."""

import csv
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.runtime.devices import Stopwatch
from extract.runtime.formats import percent
from extract.runtime.machine import let_idle_threads_sleep
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.cli.terminal.text import defused
from pipelines.specs.data import DataSpec
from pipelines.workspace import writable

if TYPE_CHECKING:
    from pipelines.predict.classify import Prediction, Predictions

FILE = click.Path(path_type=Path)


@command("predict")
@click.option("--run", "run_name", required=True, metavar="ID", help="The run, or the start of its name.")
@click.argument("images", nargs=-1, required=True, type=FILE)
@click.option("--top", type=int, default=5, show_default=True, metavar="K", help="How many classes to name.")
@click.option("--calibrated", is_flag=True, help="Probabilities at the temperature fitted on validation images.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Also write a table, one line per image.")
@click.option("--weights", type=FILE, metavar="FILE", help="The weights file, if it was moved.")
@click.option(
    "--exact/--quick",
    default=None,
    help="The run's own logits to the last bit, or equal within its precision: float32, not compiled.  "
    "[default: exact from 257 images of 224 x 224 pixels]",
)
@declared(DataSpec, only=("on_bad_image", "max_pixels"))
@shared.taking("workspace", "device", "threads")
def predict_command(
    run: shared.Invocation,
    run_name: str,
    images: tuple[Path, ...],
    top: int,
    calibrated: bool,
    csv_file: Path | None,
    weights: Path | None,
    exact: bool | None,
    options: Values,
) -> None:
    """Classify image files, and every image in folders, by a run of the workspace.

    Backbone, preprocessing and head come from the run's record; no network is needed. With --exact
    the run's own test images get exactly the logits that the run was scored by.
    """
    reading = run.spec(DataSpec, options)
    let_idle_threads_sleep()
    from pipelines.predict import classify

    if csv_file is not None:
        writable.check("csv file", csv_file)
    watch = Stopwatch()
    run.reporter.doing("reading the run and its network")
    one, record = classify.classifier(run_name, context=run.context(), weights=weights, exact=exact)
    found = classify.predict(one, images, top=top, calibrated=calibrated, reading=reading)
    run.context().tell(found.notices)
    if csv_file is not None:
        _write_csv(csv_file, found)
    answer = {
        "run": record.run,
        "name": record.name,
        "calibrated": calibrated,
        "images": [_as_dict(one) for one in found.images],
        "skipped": [str(path) for path in found.skipped],
        "csv": csv_file and str(csv_file),
        "seconds": watch.seconds(),
    }
    run.reporter.result(answer, _text(found))


def _as_dict(one: "Prediction") -> dict[str, object]:
    top = [{"class": name, "probability": share} for name, share in one.top]
    return {"path": str(one.path), **top[0], "top": top}


def _text(found: "Predictions") -> list[str]:
    """A line an image: its path and its classes with their probabilities, the likeliest first."""
    columns: list[TableColumn[Prediction]] = [TableColumn("image", lambda one: str(one.path), shrinks=True)]
    for at in range(_most(found)):
        columns.append(TableColumn(f"class {at + 1}", lambda one, at=at: _named(one, at), shrinks=True, drop=at))
    lines = table(columns, found.images) if found.images else []
    return lines + [f"{path}  skipped: it cannot be read" for path in found.skipped]


def _named(one: "Prediction", at: int) -> str:
    name, share = one.top[at]
    return f"{name} {percent(share, 1)}"


def _most(found: "Predictions") -> int:
    return max((len(one.top) for one in found.images), default=0)


def _write_csv(path: Path, found: "Predictions") -> None:
    ranks = range(1, max(_most(found), 1) + 1)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["path", *(f"{part}_{rank}" for rank in ranks for part in ("class", "probability"))])
    for one in found.images:
        writer.writerow([defused(cell) for cell in (str(one.path), *itertools.chain.from_iterable(one.top))])
    writable.write("csv file", path, text.getvalue())
