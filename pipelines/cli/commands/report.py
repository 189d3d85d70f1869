"""`pipeline report`: one HTML page, its figures as SVG and PNG, and the slides of a talk."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.runtime.formats import plural, size
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.specs.data import DataSpec

if TYPE_CHECKING:
    from pipelines.report.build import ReportRequest

PATH = click.Path(path_type=Path)


@command("report")
@click.option("--output", type=PATH, metavar="FILE.html", help="The page.  [default: report.html in the workspace]")
@click.option(
    "--figures",
    type=PATH,
    metavar="DIR",
    help="Also write every figure there, as SVG and PNG, and an index with their captions.",
)
@click.option(
    "--slides",
    type=PATH,
    metavar="FILE.pptx|FILE.md",
    help="Also write a talk: PowerPoint, or markdown for Marp and Quarto with its pictures beside it.",
)
@click.option(
    "--runs",
    metavar="ID,...|FIELD=PATTERN,...",
    help="Only these runs, e.g. mode=frozen,architecture=resnet*.  [default: all]",
)
@click.option("--title", metavar="TEXT", help="Title of the page and the talk.")
@click.option("--loss-landscape", metavar="RUN", help="Also compute the loss landscape of this network.")
@declared(DataSpec, only=("data_dir",))
@click.option(
    "--images",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="A folder of class folders that runs were made on, to show its images. Can be repeated.",
)
@shared.taking("workspace", "threads")
def report_command(
    run: shared.Invocation,
    *,
    output: Path | None,
    figures: Path | None,
    slides: Path | None,
    runs: str | None,
    title: str | None,
    loss_landscape: str | None,
    options: dict[str, str],
    images: tuple[Path, ...],
) -> None:
    """Write the workspace's runs as one HTML page.

    The page works offline and can be sent as a file: comparison, trade-offs, learning curves, confusion,
    calibration, errors, embeddings, searches, and the provenance of each number.
    """
    from pipelines.report.build import ReportRequest

    output = output or run.workspace / "report.html"
    places = data_places(options.get("data_dir"))
    request = ReportRequest(output, runs, title, figures, places, images, loss_landscape, slides)
    run.reporter.result(*reported(run, request))


def data_places(data_dir: str | None) -> tuple[Path, ...]:
    """Where images to be shown may lie: `data_dir`, and what the environment names."""
    return tuple(Path(one) for one in (data_dir, *shared.data_dirs().values()) if one)


def in_workspace(run: shared.Invocation, title: str, data_dir: str | None) -> tuple[Values, list[str]]:
    """The page in the workspace and, with python-pptx installed, the talk beside it: values and lines."""
    from pipelines.report import slides
    from pipelines.report.build import ReportRequest

    talk = run.workspace / "talk.pptx" if slides.is_available() else None
    page, places = run.workspace / "report.html", data_places(data_dir)
    return reported(run, ReportRequest(page, title=title, data_dirs=places, slides=talk))


def reported(run: shared.Invocation, request: "ReportRequest") -> tuple[Values, list[str]]:
    """The page, and what else is requested: values and lines."""
    from pipelines.report.build import build

    figures, slides = request.figures, request.slides
    built = build(run.workspace, request, progress=run.reporter.progress)
    for problem in built.problems:
        run.reporter.notice(problem)
    values = {
        "path": str(built.path),
        "runs": built.run_count,
        "figures": [str(path) for path in built.figures],
        "slides": slides and str(slides),
        "problems": built.problems,
    }
    lines = [str(built.path), f"{plural(built.run_count, 'run')}, {size(built.path.stat().st_size)}"]
    if figures:
        lines.append(f"{len(built.figures)} figure files in {figures}, with their captions in index.html")
    if slides:
        lines.append(f"{plural(built.slide_count, 'slide')} in {slides}")
    return values, lines
