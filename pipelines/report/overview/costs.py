"""What each result took, joined up: extraction, search and fit, against training."""

from typing import Any

import altair as alt

from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Figure, Section
from pipelines.report.page.text import MODE_NAMES, duration, percent
from pipelines.report.study.results import PHASES
from pipelines.report.study.study import Study, TestSet

SHOWN = 20
COLORS = {"extraction": theme.GOLD, "search": theme.GREEN, "fit": theme.BLUE, "evaluation": theme.MUTED}


def section(study: Study) -> Section | None:
    """Stacked seconds of the best rows of every test set; None where nobody recorded any."""
    blocks: list[Block] = []
    for number, test_set in enumerate(study.test_sets(), start=1):
        figure = _figure(test_set, number)
        if figure is not None:
            blocks.append(figure)
    if not blocks:
        return None
    return Section(
        "costs",
        "Time",
        "Seconds until the classifier was there: reading and decoding the training images, their features where there "
        "is a head, every training and every pass over validation images; nothing of the test images. An extraction is "
        "counted for every head on it, although it is done once: the second head on the same features costs only its "
        "search and fit.",
        blocks,
    )


def _figure(test_set: TestSet, number: int) -> Figure | None:
    rows = [row for row in test_set.rows if row.seconds("total")][:SHOWN]
    values = [
        {
            "label": row.label,
            "name": row.best.name,
            "mode": MODE_NAMES[row.best.mode],
            "phase": phase,
            "order": order,
            "seconds": seconds,
            "shown": duration(seconds),
            "all": f"{duration(row.seconds('total') or 0.0)} for {percent(row.accuracy, 2)}",
        }
        for row in rows
        for order, phase in enumerate(PHASES[:3])
        if (seconds := row.seconds(phase))
    ]
    if not values:
        return None
    more = f" The {SHOWN} most accurate." if len(test_set.rows) > SHOWN else ""
    return Figure(
        f"costs-{number}",
        f"Time on {test_set.title}",
        f"In the order of test accuracy.{more}",
        _chart(values, len(rows)),
        data=test_set.data,
    )


def _chart(values: list[dict[str, Any]], lines: int) -> alt.Chart:
    phases = [phase for phase in PHASES if any(value["phase"] == phase for value in values)]
    return (
        alt.Chart(theme.data(values))
        .mark_bar(height={"band": 0.68})
        .encode(
            y=theme.lines("label"),
            x=theme.x("seconds", "seconds", zero=True, axis_format="~s"),
            color=alt.Color(
                field="phase",
                type="nominal",
                scale=alt.Scale(domain=phases, range=[COLORS[phase] for phase in phases]),
                legend=alt.Legend(title=None),
            ),
            order=alt.Order(field="order", type="quantitative"),
            tooltip=theme.tip(
                ("name", "Run"), ("mode", "Mode"), ("phase", "Phase"), ("shown", "Seconds"), ("all", "In all")
            ),
        )
        .properties(height=theme.list_height(lines))
    )
