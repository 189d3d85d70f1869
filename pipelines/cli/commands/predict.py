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
from pipelines.cli.terminal.text import defused, plain
from pipelines.specs.data import DataSpec
from pipelines.workspace import writable

if TYPE_CHECKING:
    from pipelines.predict.classify import Prediction, Predictions
    from pipelines.workspace.schema import DoneRecord

FILE = click.Path(path_type=Path)
NAMED = 10  # images that are named as unlike anything seen
NEIGHBORS = 5  # training images on the page beside an image


@command("predict")
@click.option("--run", "run_name", required=True, metavar="ID", help="The run, or the start of its name.")
@click.argument("images", nargs=-1, required=True, type=FILE)
@click.option("--top", type=int, default=5, show_default=True, metavar="K", help="How many classes to name.")
@click.option(
    "--calibrated/--uncalibrated",
    default=None,
    help="Probabilities at the temperature fitted on validation images, or as they are.  "
    "[default: calibrated where there is one]",
)
@click.option(
    "--coverage",
    type=float,
    metavar="SHARE",
    help="Also give the set of classes that holds the true one for this share of images, such as 0.9.",
)
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Also write a table, one line per image.")
@click.option(
    "--report",
    "page",
    type=FILE,
    metavar="FILE.html",
    help="Also write a page: each image, its likeliest classes, and the nearest training images.",
)
@click.option("--weights", type=FILE, metavar="FILE", help="The weights file, if it was moved.")
@click.option(
    "--exact/--quick",
    default=None,
    help="The run's own logits to the last bit, or equal within its precision: float32, not compiled.  "
    "[default: exact from 257 images of 224 x 224 pixels]",
)
@declared(DataSpec, only=("data_dir", "on_bad_image", "max_pixels"))
@shared.taking("workspace", "device", "threads")
def predict_command(
    run: shared.Invocation,
    run_name: str,
    images: tuple[Path, ...],
    top: int,
    calibrated: bool | None,
    coverage: float | None,
    csv_file: Path | None,
    page: Path | None,
    weights: Path | None,
    exact: bool | None,
    options: Values,
) -> None:
    """Classify image files, and every image in folders, by a run of the workspace.

    Backbone, preprocessing and head come from the run's record; no internet connection is needed. With --exact the
    run's own test images get exactly the logits that the run was scored by. An image that is farther from the training
    images than 99 % of the validation images is called unlike anything seen.
    """
    reading = run.spec(DataSpec, options)
    let_idle_threads_sleep()
    from pipelines.predict import classify

    if csv_file is not None:
        writable.check("csv file", csv_file, kinds=(".csv",))
    if page is not None:
        writable.check("report", page, kinds=(".html", ".htm"))
    watch = Stopwatch()
    run.reporter.doing("reading the run and its network")
    one, record = classify.classifier(run_name, context=run.context(), weights=weights, exact=exact)
    found = classify.predict(one, images, top=top, calibrated=calibrated, coverage=coverage, reading=reading)
    run.context().tell(found.notices)
    if csv_file is not None:
        _write_csv(csv_file, found)
    if page is not None:
        _write_page(run, page, found, record, coverage=coverage, data_dir=options.get("data_dir"))
    written = {"csv": csv_file and str(csv_file), "report": page and str(page)}
    answer = {**_answer(found, record), "coverage": coverage, **written, "seconds": watch.seconds()}
    run.reporter.result(answer, _text(found))


def _answer(found: "Predictions", record: "DoneRecord") -> Values:
    return {
        "run": record.run,
        "name": record.name,
        "calibrated": found.calibrated,
        "images": [_as_dict(one) for one in found.images],
        "skipped": [str(path) for path in found.skipped],
    }


def _as_dict(one: "Prediction") -> dict[str, object]:
    top = [{"class": name, "probability": share} for name, share in one.top]
    unlike = {} if one.novelty is None else {**vars(one.novelty), "unlike": one.novelty.is_unlike}
    sets = {} if one.classes is None else {"classes": list(one.classes)}
    return {"path": str(one.path), **top[0], "top": top, **sets, **unlike}


def _text(found: "Predictions") -> list[str]:
    """A line an image: its path and its classes with their probabilities, the likeliest first."""
    columns: list[TableColumn[Prediction]] = [TableColumn("image", lambda one: str(one.path), shrinks=True)]
    for at in range(_most(found)):
        columns.append(TableColumn(f"class {at + 1}", lambda one, at=at: _named(one, at), shrinks=True, drop=at))
    if any(one.classes is not None for one in found.images):
        columns.append(TableColumn("set", lambda one: ", ".join(one.classes or ()) or "none of them", shrinks=True))
    lines = table(columns, found.images) if found.images else []
    unlike = [one for one in found.images if one.novelty is not None and one.novelty.is_unlike]
    lines += [_warning(one) for one in unlike[:NAMED]]
    if len(unlike) > NAMED:
        lines.append(f"... and {len(unlike) - NAMED} others are unlike anything seen")
    return lines + [f"{path}  skipped: it cannot be read" for path in found.skipped]


def _warning(one: "Prediction") -> str:
    assert one.novelty is not None
    share = percent(one.novelty.farther_than, 1)
    what = f"farther from the training images than {share} of the validation images"
    return f"{plain(str(one.path))} is unlike anything seen: {what}"


def _write_page(
    run: shared.Invocation,
    page: Path,
    found: "Predictions",
    record: "DoneRecord",
    *,
    coverage: float | None,
    data_dir: str | None,
) -> None:
    from pipelines.cli.commands.report import data_places
    from pipelines.predict.nearest import nearest
    from pipelines.report import predictions
    from pipelines.report.study.images import Images

    near = nearest(record, found.features, run.context(), count=NEIGHBORS) or [[] for _ in found.images]
    photos = [
        predictions.Photo(
            one.path,
            one.top,
            one.classes,
            one.novelty and one.novelty.farther_than,
            one.novelty is not None and one.novelty.is_unlike,
            [predictions.Near(other.id, other.class_name, other.similarity) for other in others],
        )
        for one, others in zip(found.images, near, strict=True)
    ]
    images = Images(run.workspace, data_places(data_dir))
    predictions.write(page, photos, result=record, images=images, coverage=coverage)
    for problem in images.problems:
        run.reporter.notice(problem)


def _named(one: "Prediction", at: int) -> str:
    name, share = one.top[at]
    return f"{name} {percent(share, 1)}"


def _most(found: "Predictions") -> int:
    return max((len(one.top) for one in found.images), default=0)


def _write_csv(path: Path, found: "Predictions") -> None:
    ranks = range(1, max(_most(found), 1) + 1)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    further = [
        *(["classes"] if any(one.classes is not None for one in found.images) else []),
        *(["farther_than", "unlike"] if any(one.novelty for one in found.images) else []),
    ]
    heading = [f"{part}_{rank}" for rank in ranks for part in ("class", "probability")]
    writer.writerow(["path", *heading, *further])
    for one in found.images:
        extra = [] if one.classes is None else [" | ".join(one.classes)]
        extra += [] if one.novelty is None else [one.novelty.farther_than, str(one.novelty.is_unlike).lower()]
        writer.writerow([defused(cell) for cell in (str(one.path), *itertools.chain.from_iterable(one.top), *extra)])
    writable.write("csv file", path, text.getvalue())
