"""Learning curves, and by a stated rule where a run over-fits or under-fits."""

from collections.abc import Sequence

import altair as alt

from pipelines import naming
from pipelines.report import epochs, theme
from pipelines.report.blocks import Block, Figure, Figures, Section
from pipelines.report.results import Result
from pipelines.report.rows import Row
from pipelines.report.study import Study
from pipelines.report.verdict import RULE, judge

SHOWN = 8  # runs with curves of their own
TOGETHER = 10  # runs in the picture that compares them


def section(study: Study) -> Section | None:
    """Curves of the best runs that have any; None without one."""
    curved = [row for row in study.rows if _is_curved(row)]
    if not curved:
        return None
    blocks: list[Block] = []
    together = _together(curved[:TOGETHER])
    if together is not None:
        blocks.append(together)
    blocks.append(Figures([figure for row in curved[:SHOWN] for figure in _figures(row.best)]))
    left_out = f" The {SHOWN} most accurate of {len(curved)}; --runs shows others." if len(curved) > SHOWN else ""
    return Section("learning", "Learning curves", RULE + left_out, blocks)


def _is_curved(row: Row) -> bool:
    return any(len(points) > 1 for name, points in row.best.curves.items() if name != "learning_rate")


def _figures(result: Result) -> list[Figure]:
    verdict = judge(result.curves)
    figures = []
    for quantity in ("accuracy", "loss"):
        points = epochs.points(result.curves, quantity)
        if len(points) > 1:
            chart = epochs.chart(points, quantity, best_epoch=verdict.best_epoch, overfits_from=verdict.overfits_from)
            title = f"{result.short}: {quantity}"
            data = naming.data([result.record])
            figures.append(
                Figure(f"learning-{quantity}-{result.run}", title, verdict.sentence(), chart, shape="half", data=data)
            )
    return figures


def _together(rows: Sequence[Row]) -> Figure | None:
    points = [
        {"epoch": epoch, "value": 100 * value, "name": row.label, "shown": f"{100 * value:.2f} %"}
        for row in rows
        for epoch, value in enumerate(row.best.curves.get("validation_accuracy", ()), start=1)
        if value is not None
    ]
    last = {point["name"]: point["epoch"] for point in points}
    field, title, shape = (
        ("epoch", "epoch", "d") if len(set(last.values())) == 1 else ("share", "share of the epochs, %", "~g")
    )
    points = [{**point, "share": 100 * point["epoch"] / last[point["name"]]} for point in points]
    names = list(last)
    if len(names) < 2:
        return None
    near = alt.selection_point(fields=["name"], bind="legend")
    data = "; ".join(dict.fromkeys(naming.data([row.best.record]) for row in rows))
    chart = (
        alt.Chart(theme.data(points))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18, filled=True))
        .encode(
            x=theme.x(field, title, axis_format=shape, grid=False),
            y=theme.y("value", "validation accuracy, %"),
            color=alt.Color(
                field="name",
                type="nominal",
                scale=alt.Scale(domain=names, range=list(theme.CLASS_COLOURS[: len(names)])),
                legend=alt.Legend(title=None, columns=2, labelLimit=260),
            ),
            opacity=alt.when(near).then(alt.value(1.0)).otherwise(alt.value(0.15)),
            tooltip=[
                *theme.tip(("name", "Run"), ("shown", "Validation")),
                alt.Tooltip(field="epoch", type="quantitative", title="Epoch"),
            ],
        )
        .add_params(near)
    )
    return Figure("learning-together", "Validation accuracy", "Click a name to isolate its curve.", chart, data=data)
