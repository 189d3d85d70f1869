"""What `pipeline rank` found: backbones on a subset of the training images."""

from extract.runtime.formats import amount, duration, size
from pipelines.report.page.blocks import Cell, Column, Section, Table, number_cell, text_cell
from pipelines.report.page.text import interval, signed
from pipelines.report.study.study import Study
from pipelines.workspace.parts.inspections import RankedBackbone, RankingResult

SHOWN = 3


def section(study: Study) -> Section:
    """The newest rankings of the workspace."""
    return Section(
        "ranking",
        "Choice of a backbone",
        "Accuracy of a linear probe on training images that it did not learn from (five folds), with LogME (You et "
        "al., 2022) and the H-score with shrinkage (Bao et al., 2019; Ibrahim et al., 2022). No test image was scored.",
        [_table(one) for one in study.explored(RankingResult, most=SHOWN)],
    )


def _table(found: RankingResult) -> Table[RankedBackbone]:
    columns: list[Column[RankedBackbone]] = [
        Column("Backbone", lambda one: text_cell(one.backbone), numeric=False, stays=True),
        Column("Weights", lambda one: text_cell(one.weights), numeric=False),
        Column("Probe, %", lambda one: Cell(f"{100 * one.accuracy:.1f} ({interval(one.interval)})", one.accuracy)),
        Column("To the best, points", lambda one: Cell(_difference(one), one.difference)),
        Column("LogME", lambda one: number_cell(one.logme, "{:.3f}".format)),
        Column("H-score", lambda one: number_cell(one.h_score, "{:.2f}".format)),
        Column("Parameters", lambda one: number_cell(one.parameters, amount)),
        Column("FLOPs", lambda one: number_cell(one.flops, amount)),
        Column("All images", lambda one: number_cell(one.seconds, duration)),
        Column("On disk", lambda one: number_cell(one.file_bytes, size)),
    ]
    caption = (
        f"{found.rows:,} training images of {found.dataset}. Recommended: {found.recommended}, that of the fewest "
        "FLOPs of those not shown to be worse than the best (95 %, corrected for all pairs). "
        f"All images are {found.images:,}."
    )
    return Table(caption, columns, found.backbones, sorted_by=2)


def _difference(one: RankedBackbone) -> str:
    middle, low, high = (signed(100 * value, 1) for value in (one.difference, *one.difference_interval))
    return f"{middle} ({low} to {high})" if one.difference else ""
