"""Whether confidence means what it says: reliability diagrams from the kept logits."""

from typing import Any

import altair as alt
import numpy as np
from scipy.special import softmax

from heads.statistics import CALIBRATION_BIN_COUNT
from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Cell, Column, Figure, Figures, Section, Table
from pipelines.report.page.text import MISSING, MODE_NAMES, percent, plural
from pipelines.report.study.results import Calibration, Result
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet

BELOW = "ECE “< x”: indistinguishable from perfect calibration, which shows up to x on as many images."
COLUMNS = (
    Column("#", "rank by accuracy; the charts use it as a label"),
    Column("Name", numeric=False),
    Column("Log loss", "mean negative log likelihood, in nats; lower is better"),
    Column("ECE", "expected calibration error over 15 bins; lower is better"),
    Column("T", "temperature that was fitted on validation images"),
    Column("Log loss at T", "of the logits divided by T"),
    Column("ECE at T", "of the logits divided by T"),
)


def section(study: Study) -> Section | None:
    """A diagram of the best run of every mode on every test set; None where no logits were kept."""
    blocks: list[Block] = []
    for number, test_set in enumerate(study.test_sets(), start=1):
        figures = _figures(study, test_set, number)
        if figures:
            blocks.append(Figures(figures))
    if study.rows:
        blocks.append(_table(study.rows))
    if not blocks:
        return None
    return Section(
        "calibration",
        "Calibration",
        "Test images in 15 bins of confidence. On the diagonal, confidence equals accuracy; below it, the "
        "run is over-confident. The larger a point, the more images.",
        blocks,
    )


def _cells(row: Row, *, scaled: bool) -> list[Cell]:
    """Log loss and calibration error of the logits as they are, or at the temperature of the validation images.

    An error that cannot be told from perfect calibration is shown as below what that shows on as many images.
    """
    loss, error, limit = (
        row.calibration(name, scaled=scaled) for name in ("log_loss", "calibration_error", "calibration_limit")
    )
    below = limit is not None and row.is_calibrated(scaled=scaled)
    shown = MISSING if error is None else f"< {percent(limit)}" if below and limit else percent(error)
    return [Cell(MISSING if loss is None else f"{loss:.3f}", loss), Cell(shown, error)]


def _table(rows: list[Row]) -> Table:
    """Every run on one scale: as it is, and at the temperature that its validation images gave."""
    lines = []
    for row in rows:
        degrees = row.mean(one.temperature for one in row.results)
        named = [Cell(str(row.number), row.number), Cell(row.best.name, row.best.name.casefold(), row.best.name)]
        degree = Cell(MISSING if degrees is None else f"{degrees:.2f}", degrees)
        lines.append([*named, *_cells(row, scaled=False), degree, *_cells(row, scaled=True)])
    caption = (
        "Probabilities of the test images as the runs give them, and with their logits divided by the temperature T "
        "that was fitted on validation images (those of ridge, centroid and kernel are divided by one as they are). "
        f"{BELOW}"
    )
    return Table(caption, COLUMNS, lines, sorted_by=0)


def bins(logits: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """For each of 15 equal bins of confidence that is not empty: `confidence`, `accuracy` (means), `count`.

    logits [N, K], labels int64 [N]. The expected calibration error is the mean of |accuracy - confidence|, weighted
    by count.
    """
    probabilities = softmax(logits, axis=1)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * CALIBRATION_BIN_COUNT).astype(int), CALIBRATION_BIN_COUNT - 1)
    return [
        {
            "confidence": float(confidence[places == place].mean()),
            "accuracy": float(right[places == place].mean()),
            "count": int((places == place).sum()),
        }
        for place in np.unique(places)
    ]


def _figures(study: Study, test_set: TestSet, number: int) -> list[Figure]:
    values = []
    for pick in test_set.best_of_modes():
        values += _values(study, pick.row)
    if not values:
        return []
    title = f"Reliability on {test_set.title}"
    caption = "; ".join(
        f"{MODE_NAMES[row.best.mode]}: {row.best.short}{pick.said()}{_error(row.best)}"
        for pick in test_set.best_of_modes()
        for row in [pick.row]
    )
    return [
        Figure(
            f"reliability-{number}",
            title,
            f"{caption}. {BELOW}",
            _reliability(values),
            shape="half",
            data=test_set.data,
        ),
        Figure(
            f"confidence-{number}",
            f"Confidence on {test_set.title}",
            "Share of the test images at each confidence.",
            _histogram(values),
            shape="half",
            data=test_set.data,
        ),
    ]


def _error(result: Result) -> str:
    """The calibration errors of a run, with what can be told from perfect calibration."""
    parts = [("", result.test), ("at its validation temperature ", result.scaled)]
    told = [f"{which}{_judged(one)}" for which, one in parts if one is not None and one.calibration_error is not None]
    return f" (ECE {', '.join(told)})" if told else ""


def _judged(one: Calibration) -> str:
    return f"< {percent(one.calibration_limit or 0.0)}" if one.is_perfect else percent(one.calibration_error or 0.0)


def _values(study: Study, row: Row) -> list[dict[str, Any]]:
    kept = study.logits(row.best)
    if kept is None:
        return []
    logits, labels = kept
    return [
        {
            "mode": MODE_NAMES[row.best.mode],
            "name": row.best.name,
            "confidence": 100 * one["confidence"],
            "accuracy": 100 * one["accuracy"],
            "count": one["count"],
            "share": 100 * one["count"] / len(labels),
            "shown": f"confidence {percent(one['confidence'])}, accuracy {percent(one['accuracy'])}",
            "images": plural(int(one["count"]), "image"),
        }
        for one in bins(logits, labels)
    ]


def _reliability(values: list[dict[str, Any]]) -> alt.LayerChart | alt.FacetChart:
    span = [0, 100]
    across = theme.x("confidence", "confidence, %", domain=span, ticks=5)
    up = theme.y("accuracy", "accuracy, %", domain=span, ticks=5)
    modes = [value["mode"] for value in values]
    ideal = alt.Chart(theme.data([{"confidence": end, "accuracy": end} for end in span]))
    diagonal = ideal.mark_line(color=theme.MUTED, strokeDash=[4, 3], strokeWidth=1.2).encode(x=across, y=up)
    base = alt.Chart(theme.data(values)).encode(x=across, y=up, color=theme.mode_color(modes))
    lines = base.mark_line(strokeWidth=1.5, opacity=0.6)
    points = base.mark_point(filled=True, opacity=0.95).encode(
        size=alt.Size(field="count", type="quantitative", legend=None, scale=alt.Scale(range=[20, 260])),
        shape=theme.mode_shape(modes),
        tooltip=theme.tip(("name", "Run"), ("shown", "Bin"), ("images", "Holds")),
    )
    return alt.layer(diagonal, lines, points)


def _histogram(values: list[dict[str, Any]]) -> alt.Chart:
    modes = [value["mode"] for value in values]
    return (
        alt.Chart(theme.data(values))
        .mark_line(point=alt.OverlayMarkDef(filled=True, size=30), strokeWidth=1.5)
        .encode(
            x=theme.x("confidence", "confidence, %", domain=[0, 100], ticks=5),
            y=theme.y("share", "share of test images, %", zero=True),
            color=theme.mode_color(modes),
            tooltip=theme.tip(("name", "Run"), ("shown", "Bin"), ("images", "Holds")),
        )
    )
