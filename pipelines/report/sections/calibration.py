"""Section on calibration: reliability diagrams from the kept logits."""

from scipy.special import softmax

from extract.runtime.formats import percent, plural
from heads.metrics import reliability
from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import (
    Cell,
    Column,
    Datum,
    Figure,
    Section,
    Spec,
    Table,
    number_cell,
    numbers,
    side_by_side,
)
from pipelines.report.sections.comparison import NAME, NUMBER
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming
from pipelines.workspace.schema import Calibration, DoneRecord

BELOW = "ECE “< x”: indistinguishable from perfect calibration, which shows up to x on as many images."
TIPS = vega.tip(("name", "Run"), ("shown", "Bin"), ("images", "Holds"))


def section(study: Study) -> Section:
    """A diagram of the best run of every mode on every test set where logits were kept, and a table of every row."""
    caption = (
        "Probabilities of the test images as the runs give them, and with their logits divided by the temperature T "
        "that was fitted on validation images (those of ridge, centroid and kernel are divided by one as they are). "
        f"{BELOW}"
    )
    table = Table(caption, _columns(), study.rows) if study.rows else None
    return Section(
        "calibration",
        "Calibration",
        "Test images in 15 bins of confidence. On the diagonal, confidence equals accuracy; below it, the "
        "run is over-confident. The larger a point, the more images.",
        [*(side_by_side(_figures(study, test_set)) for test_set in study.test_sets()), table],
    )


def _columns() -> list[Column[Row]]:
    """Every run on one scale: as it is, and at the temperature that its validation images gave."""
    return [
        NUMBER,
        NAME,
        _loss("Log loss", "mean negative log likelihood, in nats; lower is better", scaled=False),
        _error("ECE", "expected calibration error over 15 bins; lower is better", scaled=False),
        numbers("T", _temperature, "{:.2f}".format, "temperature that was fitted on validation images"),
        _loss("Log loss at T", "of the logits divided by T", scaled=True),
        _error("ECE at T", "of the logits divided by T", scaled=True),
    ]


def _temperature(row: Row) -> float | None:
    return row.mean(one.temperature for one in row.results)


def _loss(title: str, note: str, *, scaled: bool) -> Column[Row]:
    return numbers(title, lambda row: row.calibration("log_loss", scaled=scaled), "{:.3f}".format, note)


def _error(title: str, note: str, *, scaled: bool) -> Column[Row]:
    """The calibration error: one that cannot be told from perfect calibration as below what that shows."""

    def cell(row: Row) -> Cell:
        error, limit = (row.calibration(name, scaled=scaled) for name in ("calibration_error", "calibration_limit"))
        below = limit if row.is_calibrated(scaled=scaled) else None
        return number_cell(error, lambda value: f"< {percent(below, 1)}" if below else percent(value, 1))

    return Column(title, cell, note)


def _figures(study: Study, test_set: TestSet) -> list[Figure]:
    best = test_set.best_of_modes()
    values = [value for pick in best for value in _values(study, pick.row)]
    if not values:
        return []
    runs = [
        f"{naming.MODES[pick.row.best.mode]}: {pick.row.short}{pick.said()}{_errors(pick.row.best)}" for pick in best
    ]
    shares = "Share of the test images at each confidence."
    caption = f"{'; '.join(runs)}. {BELOW}"
    return [
        test_set.figure("reliability", "Reliability", caption, _reliability(values), shape="half"),
        test_set.figure("confidence", "Confidence", shares, _histogram(values), shape="half"),
    ]


def _errors(result: DoneRecord) -> str:
    """The calibration errors of a run, with what can be told from perfect calibration."""

    def limited(one: Calibration) -> str:
        return f"< {percent(one.calibration_limit, 1)}" if one.is_perfect else percent(one.calibration_error, 1)

    parts = [("", result.test), ("at its validation temperature ", result.test_scaled)]
    told = [f"{which}{limited(one)}" for which, one in parts if one is not None and one.calibration_error is not None]
    return f" (ECE {', '.join(told)})" if told else ""


def _values(study: Study, row: Row) -> list[Datum]:
    kept = study.logits(row.best)
    if kept is None:
        return []
    logits, labels = kept
    probabilities = softmax(logits, axis=1)
    bins = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    return [
        {
            "mode": naming.MODES[row.best.mode],
            "name": row.name,
            "confidence": 100 * confidence,
            "accuracy": 100 * accuracy,
            "count": count,
            "share": 100 * count / len(labels),
            "shown": f"confidence {percent(confidence, 1)}, accuracy {percent(accuracy, 1)}",
            "images": plural(count, "image"),
        }
        for confidence, accuracy, count in bins
    ]


def _reliability(values: list[Datum]) -> Spec:
    x, y = (vega.number(name, f"{name}, %", domain=[0, 100], ticks=5) for name in ("confidence", "accuracy"))
    look = vega.modes([value["mode"] for value in values])
    base: Spec = {"x": x, "y": y, "color": look["color"]}
    size = {**vega.plain("count"), "legend": None, "scale": {"range": [20, 260]}}
    ends = [{"confidence": end, "accuracy": end} for end in (0, 100)]
    diagonal: Spec = {"color": theme.MUTED, "strokeDash": [4, 3], "strokeWidth": 1.2}
    dots: Spec = {"filled": True, "opacity": 0.95}
    layers = [
        vega.mark("line", ends, diagonal, x=x, y=y),
        vega.mark("line", values, {"strokeWidth": 1.5, "opacity": 0.6}, **base),
        vega.mark("point", values, dots, **base, size=size, shape=look["shape"], tooltip=TIPS),
    ]
    return {"layer": layers}


def _histogram(values: list[Datum]) -> Spec:
    return vega.mark(
        "line",
        values,
        {"point": {"filled": True, "size": 30}, "strokeWidth": 1.5},
        x=vega.number("confidence", "confidence, %", domain=[0, 100], ticks=5),
        y=vega.number("share", "share of test images, %", zero=True),
        color=vega.modes([value["mode"] for value in values])["color"],
        tooltip=TIPS,
    )
