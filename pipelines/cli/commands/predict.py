"""`pipeline predict`: classes of raw images, by a kept run."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from extract.decoding.decode import MAX_PIXELS
from extract.runtime.devices import Stopwatch
from pipelines.cli.options import shared
from pipelines.cli.terminal.show import Column, defused, percent, table
from pipelines.specs.values import at_least_one, one_of
from pipelines.workspace import writable

if TYPE_CHECKING:
    from pipelines.predict.classify import Prediction, Predictions

FILE = click.Path(path_type=Path)


@click.command("predict")
@click.option("--run", "run_name", required=True, metavar="ID", help="The run, or the start of its name.")
@click.argument("images", nargs=-1, required=True, type=FILE)
@click.option("--top", type=int, default=5, show_default=True, metavar="K", help="How many classes to name.")
@click.option("--calibrated", is_flag=True, help="Probabilities at the temperature fitted on validation images.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Also write a table, one line an image.")
@click.option("--weights", type=FILE, metavar="FILE", help="The weights file, where it is not where it was.")
@click.option("--quick", is_flag=True, help="Equal within rounding only: no compiling, no filling of the batch.")
@click.option(
    "--on-bad-image", default="error", show_default=True, metavar="error|skip", help="What an unreadable image does."
)
@click.option(
    "--max-pixels", type=int, default=MAX_PIXELS, show_default=True, metavar="N", help="Most pixels of one image."
)
@shared.common
def predict_command(
    run: shared.Run,
    run_name: str,
    images: tuple[Path, ...],
    top: int,
    calibrated: bool,
    csv_file: Path | None,
    weights: Path | None,
    quick: bool,
    on_bad_image: str,
    max_pixels: int,
) -> None:
    """Classify image files, and every image in folders, by a kept run.

    Backbone, preprocessing and head come from the run's record; no network is needed. The run's own test
    images get exactly the logits that the run was scored by.
    """
    one_of("on-bad-image", on_bad_image, ("error", "skip"))
    at_least_one("max pixels", max_pixels)
    from pipelines.predict import classify

    if csv_file is not None:
        writable.check("csv file", csv_file)
    watch = Stopwatch()
    run.reporter.doing("reading the run and its network")
    one, record = classify.classifier(run_name, context=run.context(), weights=weights, quick=quick)
    found = classify.predict(
        one, images, top=top, calibrated=calibrated, on_bad_image=on_bad_image, max_pixels=max_pixels
    )
    run.context().tell(found.notices)
    if csv_file is not None:
        _write_csv(csv_file, found)
    answer = {
        "run": record["run"],
        "name": record["name"],
        "calibrated": calibrated,
        "images": [_as_dict(one) for one in found.images],
        "skipped": [str(path) for path in found.skipped],
        "csv": None if csv_file is None else str(csv_file),
        "seconds": watch.seconds(),
    }
    run.reporter.result(answer, _text(found))


def _as_dict(one: "Prediction") -> dict[str, Any]:
    name, probability = one.top[0]
    top = [{"class": other, "probability": share} for other, share in one.top]
    return {"path": str(one.path), "class": name, "probability": probability, "top": top}


def _text(found: "Predictions") -> list[str]:
    """A line an image: its path and its classes with their probabilities, the likeliest first."""
    count = max((len(one.top) for one in found.images), default=0)
    ranks = [Column(f"class {rank}", shrinks=True, drop=rank - 1) for rank in range(1, count + 1)]
    rows = [[str(one.path), *(f"{name} {percent(share, 1)}" for name, share in one.top)] for one in found.images]
    lines = table([Column("image", shrinks=True), *ranks], rows) if rows else []
    return lines + [f"{path}  skipped: it cannot be read" for path in found.skipped]


def _row(one: "Prediction") -> list[str | float]:
    return [str(one.path), *(part for pair in one.top for part in pair)]


def _write_csv(path: Path, found: "Predictions") -> None:
    count = max((len(one.top) for one in found.images), default=1)
    header = ["path"] + [f"{part}_{rank}" for rank in range(1, count + 1) for part in ("class", "probability")]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([defused(cell) for cell in _row(one)] for one in found.images)
    writable.write("csv file", path, text.getvalue())
