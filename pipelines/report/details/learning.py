"""Learning curves, and by a stated rule where a run over-fits or under-fits."""

from collections.abc import Sequence

import altair as alt

from pipelines.report.charts import epochs
from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Cell, Column, Figure, Figures, Section, Table
from pipelines.report.page.text import MINUS, MISSING
from pipelines.report.study.diagnosis import KEPT_BY, RULE, judge, points
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study
from pipelines.workspace import naming

SHOWN = 8  # runs with curves of their own
TOGETHER = 10  # runs in the picture that compares them


def section(study: Study) -> Section | None:
    """What training and validation accuracy say of every run, and curves of the best that have any; None without."""
    rows = [row for row in study.rows if row.best.record.get("training") or _is_curved(row)]
    if not rows:
        return None
    curved = [row for row in rows if _is_curved(row)]
    together = _together(curved[:TOGETHER])
    blocks: list[Block] = [_table(rows), *([together] if together is not None else [])]
    figures = [figure for row in curved[:SHOWN] for figure in _figures(row)]
    blocks += [Figures(figures)] if figures else []
    left_out = f" The {SHOWN} most accurate of {len(curved)}; --runs shows others." if len(curved) > SHOWN else ""
    return Section("learning", "Learning curves", RULE + left_out, blocks)


def _is_curved(row: Row) -> bool:
    return any(len(points) > 1 for name, points in row.best.curves.items() if name != "learning_rate")


def _table(rows: Sequence[Row]) -> Table:
    """Both accuracies, the gap and the verdict of every row's run."""
    columns = [
        *(Column("Run", numeric=False), Column("Training %"), Column("Validation %"), Column("Gap, points")),
        *(Column("Kept epoch"), Column("Verdict", numeric=False)),
    ]
    cells = []
    for row in rows:
        verdict = judge(row.best.record)
        kept = "" if verdict.kept_epoch is None else str(verdict.kept_epoch)
        cells.append(
            [
                Cell(row.label, row.label),
                *(_share(share) for share in (verdict.training, verdict.validation)),
                Cell(MISSING if verdict.gap is None else points(verdict.gap).replace("-", MINUS), verdict.gap),
                Cell(kept or MISSING, verdict.kept_epoch, detail=KEPT_BY.get(verdict.kept_by or "", "")),
                Cell(verdict.remark() or MISSING),
            ]
        )
    caption = "Accuracy in evaluation mode of what was judged on the validation images, before any refit."
    if any(row.best.head == "knn" for row in rows):
        caption += " None for knn: a training image is its own nearest neighbor."
    if any(row.which for row in rows):
        caption += " Of several seeds, the run with the highest validation accuracy."
    return Table(caption, columns, cells)


def _share(share: float | None) -> Cell:
    return Cell(MISSING if share is None else f"{100 * share:.1f}", share)


def _figures(row: Row) -> list[Figure]:
    result, verdict = row.best, judge(row.best.record)
    return [
        Figure(
            f"learning-{quantity}-{result.run}",
            f"{result.short}: {quantity}",
            verdict.sentence() + (f" This is{row.which[1:]}." if row.which else ""),
            chart,
            shape="half",
            data=naming.data([result.record]),
        )
        for quantity, chart in epochs.charts(result.record, verdict).items()
    ]


def _together(rows: Sequence[Row]) -> Figure | None:
    points = [
        {"epoch": epoch, "value": 100 * value, "name": row.label, "shown": f"{100 * value:.2f} %"}
        for row in rows
        for epoch, value in enumerate(row.best.curves.get("validation_accuracy", ()), start=1)
        if value is not None
    ]
    last = {point["name"]: point["epoch"] for point in points}
    field, title, shape = (
        ("epoch", "epoch", "d") if len(set(last.values())) == 1 else ("share", "share of the epochs, %", "d")
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
                scale=alt.Scale(domain=names, range=list(theme.CLASS_COLORS[: len(names)])),
                legend=alt.Legend(title=None, columns=2, labelLimit=340),
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
