"""Section on time: the sum of extraction, search and fit, against training."""

from extract.runtime.formats import duration, percent
from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Figure, Section
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace.schema import PHASES

SHOWN = 20
COLORS = {"extraction": theme.GOLD, "search": theme.GREEN, "fit": theme.BLUE}


def section(study: Study) -> Section:
    """Stacked seconds of the best rows of every test set, where any were recorded."""
    return Section(
        "costs",
        "Time",
        "Seconds until the classifier was there: reading and decoding the training images, their features where there "
        "is a head, every training and every pass over validation images; nothing of the test images. An extraction is "
        "counted for every head on it, although it is done once: the second head on the same features costs only its "
        "search and fit.",
        [_figure(test_set) for test_set in study.test_sets()],
    )


def _figure(test_set: TestSet) -> Figure | None:
    rows = [row for row in test_set.rows if row.seconds("total")][:SHOWN]
    values = [
        {
            **vega.of_row(row),
            "phase": phase,
            "order": order,
            "seconds": seconds,
            "shown": duration(seconds),
            "all": f"{duration(row.seconds('total') or 0.0)} for {percent(row.accuracy)}",
        }
        for row in rows
        for order, phase in enumerate(PHASES[:3])
        if (seconds := row.seconds(phase))
    ]
    if not values:
        return None
    phases = [phase for phase in COLORS if any(value["phase"] == phase for value in values)]
    tips = (("name", "Run"), ("mode", "Mode"), ("phase", "Phase"), ("shown", "Seconds"), ("all", "In all"))
    bars = vega.mark(
        "bar",
        values,
        {"height": {"band": 0.68}},
        y=vega.lines("label"),
        x=vega.number("seconds", "seconds", zero=True, axis_format="~s"),
        color=vega.kinds("phase", phases, [COLORS[phase] for phase in phases], legend={}),
        order=vega.plain("order"),
        tooltip=vega.tip(*tips),
    )
    more = f" The {SHOWN} most accurate." if len(test_set.rows) > SHOWN else ""
    chart = {**bars, "height": vega.list_height(len(rows))}
    return test_set.figure("costs", "Time", f"In the order of test accuracy.{more}", chart)
