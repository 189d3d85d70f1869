"""A workspace -> its report: which sections there are, in which order, and where everything is written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altair.utils.schemapi import debug_mode

from extract.errors import InvalidInputError
from pipelines.report.details import (
    architectures,
    calibration,
    confusion,
    embeddings,
    learning,
    loss_landscape,
    misclassified,
    searches,
    shots,
)
from pipelines.report.overview import comparison, costs, paired_tests, provenance, summary, tradeoff
from pipelines.report.page import render
from pipelines.report.page.blocks import Section
from pipelines.report.study.images import Images
from pipelines.report.study.study import Study, gather
from pipelines.workspace import records, writable


def _silent(*_: Any) -> None:
    """Takes anything and says nothing."""


@dataclass(frozen=True)
class Wanted:
    """What a report is asked for. `runs` selects (see `selection.selected`); `figures` is a directory for files,
    `landscape` a run whose loss landscape is computed."""

    output: Path
    runs: str | None = None
    title: str | None = None
    figures: Path | None = None
    data_dirs: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    landscape: str | None = None


@dataclass(frozen=True)
class Built:
    """A report that was written. `run_count` counts the finished runs in it, `problems` what was left out."""

    path: Path
    run_count: int
    figures: list[Path]
    problems: list[str]


def build(workspace: Path, wanted: Wanted, *, progress: Callable[[int, int, str], None] = _silent) -> Built:
    """Writes the report of a workspace. Raises InvalidInputError where there is nothing to report."""
    study = gather(workspace, wanted.runs)
    images = Images(workspace, wanted.data_dirs, wanted.images)
    with debug_mode(False):  # the tests validate every chart; here it would cost most of the time
        sections = _sections(study, images, landscape=wanted.landscape, progress=progress)
        head = render.Head(
            wanted.title or "Transfer-learning report", summary.lead(study), f"Made {records.now()[:10]}"
        )
        text = render.render(head, sections, thumbnails=images.thumbnails)
        _write(wanted.output, text)
        figures, undrawn = _figures(sections, wanted.figures, progress)
    return Built(wanted.output, len(study.results), figures, study.problems + undrawn)


def _sections(
    study: Study, images: Images, *, landscape: str | None, progress: Callable[[int, int, str], None]
) -> list[Section]:
    found: list[Section | None] = []
    if study.rows:
        found += [summary.section(study), comparison.section(study)]
        found += [make(study) for make in (tradeoff.section, paired_tests.section, costs.section)]
        found += [make(study) for make in (learning.section, shots.section, searches.section, confusion.section)]
        found += [calibration.section(study), misclassified.section(study, images), embeddings.section(study, images)]
        found += [architectures.section(study)]
    if landscape is not None:
        found.append(loss_landscape.section(study, images, run=landscape, progress=progress))
    found.append(provenance.section(study))
    study.problems += images.problems
    found.append(provenance.problems(study))
    return [section for section in found if section is not None]


def _figures(
    sections: list[Section], folder: Path | None, progress: Callable[[int, int, str], None]
) -> tuple[list[Path], list[str]]:
    if folder is None:
        return [], []
    from pipelines.report.page import static

    figures = [figure for section in sections for figure in section.figures()]
    return static.write(figures, folder, progress=lambda done, total: progress(done, total, "figures"))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"report must go to a file that can be written; got {str(path)!r} ({error.strerror}). "
            "Name another with --output."
        ) from error
    writable.write("report", path, text)
