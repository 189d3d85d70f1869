"""Learning curves, and by a stated rule where a run over-fits or under-fits."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.report.charts import curves, vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import (
    Cell,
    Column,
    Figure,
    Section,
    Table,
    number_cell,
    side_by_side,
    text_cell,
)
from pipelines.report.page.text import MINUS, MISSING
from pipelines.report.study.diagnosis import KEPT_BY, RULE, Diagnosis, diagnose, points
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study
from pipelines.workspace import naming

SHOWN = 8  # runs with curves of their own
TOGETHER = 10  # runs in the picture that compares them


def section(study: Study) -> Section:
    """Diagnosis of every run by training and validation accuracy, and learning curves of the best that have any."""
    rows = [row for row in study.rows if row.best.training or _is_curved(row)]
    curved = [row for row in rows if _is_curved(row)]
    together = _together(curved[:TOGETHER])
    figures = side_by_side(figure for row in curved[:SHOWN] for figure in _figures(row))
    left_out = f" The {SHOWN} most accurate of {len(curved)}; --runs shows others." if len(curved) > SHOWN else ""
    return Section("learning", "Learning curves", RULE + left_out, [_table(rows) if rows else None, together, figures])


def _is_curved(row: Row) -> bool:
    return any(len(points) > 1 for name, points in row.best.curves.items() if name != "learning_rate")


def _table(rows: Sequence[Row]) -> Table[tuple[Row, Diagnosis]]:
    """Both accuracies, the gap and the diagnosis of every row's run."""
    columns: list[Column[tuple[Row, Diagnosis]]] = [
        Column("Run", lambda one: text_cell(one[0].label), numeric=False),
        Column("Training %", lambda one: number_cell(one[1].training, points)),
        Column("Validation %", lambda one: number_cell(one[1].validation, points)),
        Column("Gap, points", lambda one: number_cell(one[1].gap, lambda gap: points(gap).replace("-", MINUS))),
        Column("Kept epoch", lambda one: replace(number_cell(one[1].kept_epoch), detail=_kept_by(one[1]))),
        Column("Diagnosis", lambda one: Cell(one[1].remark() or MISSING), numeric=False),
    ]
    caption = "Accuracy in evaluation mode of what was scored on the validation images, before any refit."
    if any(row.best.head == "knn" for row in rows):
        caption += " None for knn: a training image is its own nearest neighbor."
    if any(row.which for row in rows):
        caption += " Of several seeds, the run with the highest validation accuracy."
    return Table(caption, columns, [(row, diagnose(row.best)) for row in rows])


def _kept_by(found: Diagnosis) -> str:
    return "" if found.kept_by is None else KEPT_BY[found.kept_by]


def _figures(row: Row) -> list[Figure]:
    result, found = row.best, diagnose(row.best)
    caption = found.sentence() + (f" This is{row.which[1:]}." if row.which else "")
    return [
        vega.of_run(result, f"learning-{quantity}", f"{row.short}: {quantity}", caption, chart, shape="half")
        for quantity, chart in curves.by_epoch(result, found).items()
    ]


def _together(rows: Sequence[Row]) -> Figure | None:
    """Validation accuracy of several runs by epoch, or by share of the epochs where their numbers differ."""
    accuracies = {row.label: row.best.curves.get("validation_accuracy", ()) for row in rows}
    last = {
        name: max(epoch for epoch, value in enumerate(values, start=1) if value is not None)
        for name, values in accuracies.items()
        if any(value is not None for value in values)
    }
    if len(last) < 2:
        return None
    values = [
        {
            "epoch": epoch,
            "share": 100 * epoch / last[name],
            "value": 100 * value,
            "name": name,
            "shown": f"{100 * value:.2f} %",
        }
        for name in last
        for epoch, value in enumerate(accuracies[name], start=1)
        if value is not None
    ]
    field, title = ("epoch", "epoch") if len(set(last.values())) == 1 else ("share", "share of the epochs, %")
    params, opacity = vega.picked("name", 1.0, 0.15)
    legend = {"columns": 2, "labelLimit": 340}
    lines = vega.mark(
        "line",
        values,
        {"strokeWidth": 2, "point": {"size": 18, "filled": True}},
        x=vega.number(field, title, axis_format="d", grid=False),
        y=vega.number("value", "validation accuracy, %"),
        color=vega.kinds("name", list(last), theme.class_colors(len(last)), legend=legend),
        opacity=opacity,
        tooltip=[*vega.tip(("name", "Run"), ("shown", "Validation")), {**vega.plain("epoch"), "title": "Epoch"}],
    )
    data = "; ".join(dict.fromkeys(naming.data([row.best]) for row in rows))
    caption = "Click a name to isolate its curve."
    return Figure("learning-together", "Validation accuracy", caption, {**lines, "params": params}, data=data)
