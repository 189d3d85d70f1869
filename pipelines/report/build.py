"""A workspace -> its report: which sections there are, in which order, and where everything is written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from extract.data.images import ImageSplit
from extract.errors import InvalidInputError
from pipelines.report.page import render
from pipelines.report.page.blocks import Section
from pipelines.report.sections import (
    architectures,
    audit,
    calibration,
    comparison,
    confusion,
    embeddings,
    explained,
    explorations,
    learning,
    provenance,
    ranking,
    searches,
    summary,
    tradeoff,
)  # fmt: skip
from pipelines.report.slides import write as slides
from pipelines.report.study.images import Images
from pipelines.report.study.study import Study, gather
from pipelines.tasks import explain
from pipelines.workspace import records, writable
from pipelines.workspace.schema import DoneRecord

Progress = Callable[[int, int, str], None]
SECTIONS: tuple[Callable[[Study], Section], ...] = (  # those without blocks are left out
    summary.section,
    comparison.section,
    tradeoff.trade_offs,
    comparison.paired_tests,
    tradeoff.time,
    ranking.rankings,
    learning.by_epoch,
    learning.by_labels,
    explorations.range_tests,
    searches.section,
    explorations.ablations,
    confusion.by_class,
    confusion.matrices,
    calibration.section,
    confusion.misclassified,
    audit.audits,
    explained.pictures,
    embeddings.section,
    architectures.section,
    explained.loss_landscape,
    provenance.section,
    provenance.problems,
)


@dataclass(frozen=True)
class ReportRequest:
    """Request for a report. `runs` selects (see `selection.selected`); `figures` is a directory for files, `slides` a
    .pptx or .md file, `loss_landscape` a run whose loss landscape is computed."""

    output: Path
    runs: str | None = None
    title: str | None = None
    figures: Path | None = None
    data_dirs: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    loss_landscape: str | None = None
    slides: Path | None = None


@dataclass(frozen=True)
class Built:
    """A report that was written, with `slide_count` slides. `run_count` counts the finished runs in it, `problems` what
    was left out."""

    path: Path
    run_count: int
    figures: list[Path]
    problems: list[str]
    slide_count: int = 0


def build(workspace: Path, request: ReportRequest, *, progress: Progress = lambda done, total, what: None) -> Built:
    """Writes the report of a workspace. Raises InvalidInputError where there is nothing to report."""
    study = gather(workspace, request.runs)
    writable.folder("report", request.output.parent, named=request.output, remedy="Name another with --output.")
    writable.check("report", request.output, kinds=(".html", ".htm"))
    if request.slides is not None:
        slides.check(request.slides)
    study.images = Images(workspace, request.data_dirs, request.images, problems=study.problems)
    if request.loss_landscape is not None:
        result = _network(study, request.loss_landscape)
        found = explain.loss_landscape(workspace, result.run, split=lambda: _images(study, result), progress=progress)
        study.landscape = result, found
    sections = [section for make in SECTIONS if (section := make(study)).blocks]
    title, made = request.title or "Transfer-learning report", f"Made {records.now()[:10]}"
    text = render.page(sections, title=title, lead=summary.lead(study), made=made, thumbnails=study.images.thumbnails)
    writable.write("report", request.output, text)
    figures, undrawn = _figures(sections, request.figures, progress)
    count = 0
    if request.slides is not None:
        count = slides.write(request.slides, study, sections, title=title, made=made)
    unused = [f"images {str(one)!r}: no run of the report was made on them" for one in study.images.unused()]
    problems = list(dict.fromkeys([*study.problems, *undrawn, *unused]))
    return Built(request.output, len(study.results), figures, problems, count)


def _network(study: Study, run: str) -> DoneRecord:
    """The result of the network that `run`, or the beginning of its name, is."""
    name = records.resolve(study.workspace, run)
    found = next((one for one in study.results if one.run == name), None)
    if found is None or found.kind != "network":
        what = "failed, broken or left out" if found is None else "a head on frozen features"
        raise InvalidInputError(
            f"--loss-landscape must name a trained network; got {name}, which is {what}. Name another run."
        )
    return found


def _images(study: Study, result: DoneRecord) -> ImageSplit:
    split = study.images.train_split(result)
    if split is None:
        raise InvalidInputError(
            f"images of {result.dataset.name} must be at hand for --loss-landscape; got none of the recorded "
            "digest. Name their place with --data-dir or --images."
        )
    return split


def _figures(sections: list[Section], folder: Path | None, progress: Progress) -> tuple[list[Path], list[str]]:
    if folder is None:
        return [], []
    figures = [figure for section in sections for figure in section.figures()]
    return render.write_figures(figures, folder, progress=lambda done, total: progress(done, total, "figures"))
