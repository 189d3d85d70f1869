"""Curves of learning: by epoch, with a diagnosis by a stated rule, and by the number of labeled images.

The latter has two sources: runs that differ only by `--subset` (one line for all of them), and the draws of few labels
a class that a run kept under `shots`.
"""

from collections.abc import Sequence
from dataclasses import replace

from extract.runtime.formats import percent, plural
from pipelines.report.charts import curves, vega
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
    words,
)
from pipelines.report.page.text import MINUS, MISSING, interval
from pipelines.report.study.diagnosis import KEPT_BY, RULE, Diagnosis, diagnose, points
from pipelines.report.study.rows import OF_SEEDS, Row, identity
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming

SHOWN = 8  # runs with curves of their own
TOGETHER = 10  # runs in the picture that compares them
LINES = 10  # runs by the number of labeled images


def by_epoch(study: Study) -> Section:
    """Diagnosis of every run by training and validation accuracy, and learning curves of the best that have any."""
    drawn = {row.number: {name for name, epochs in row.best.curves.items() if len(epochs) > 1} for row in study.rows}
    curved = [row for row in study.rows if drawn[row.number] - {"learning_rate"}]
    rows = [row for row in study.rows if row.best.training or row in curved]
    figures = side_by_side(figure for row in curved[:SHOWN] for figure in _figures(row))
    left_out = f" The {SHOWN} most accurate of {len(curved)}; --runs shows others." if len(curved) > SHOWN else ""
    parts = [_table(rows) if rows else None, _together(curved[:TOGETHER]), figures]
    return Section("learning", "Learning curves", RULE + left_out, parts)


def _table(rows: Sequence[Row]) -> Table[tuple[Row, Diagnosis]]:
    """Both accuracies, the gap and the diagnosis of every row's run."""
    columns: list[Column[tuple[Row, Diagnosis]]] = [
        words("Run", lambda one: one[0].label),
        numbers("Training %", lambda one: one[1].training, points),
        numbers("Validation %", lambda one: one[1].validation, points),
        numbers("Gap, points", lambda one: one[1].gap, lambda gap: points(gap).replace("-", MINUS)),
        Column(
            "Kept epoch",
            lambda one: replace(number_cell(one[1].kept_epoch), detail=KEPT_BY.get(one[1].kept_by or "", "")),
        ),
        Column("Diagnosis", lambda one: Cell(one[1].remark() or MISSING), numeric=False),
    ]
    caption = "Accuracy in evaluation mode of what was scored on the validation images, before any refit."
    if any(row.best.head == "knn" for row in rows):
        caption += " None for knn: a training image is its own nearest neighbor."
    if any(row.which for row in rows):
        caption += f" {OF_SEEDS}"
    return Table(caption, columns, [(row, diagnose(row.best)) for row in rows])


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
        {"epoch": epoch, "share": 100 * epoch / last[name], "value": 100 * value, "name": name, "shown": percent(value)}
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


def by_labels(study: Study) -> Section:
    """One figure of each kind for every test set, where there are two points to join."""
    return Section(
        "labels",
        "Few labels",
        "Test accuracy by the number of labeled training images. Lines join what was measured and say nothing of more "
        "labels than their last point has.",
        [make(test_set) for test_set in study.test_sets() for make in (_subsets, _draws)],
    )


def _subsets(test_set: TestSet) -> Figure | None:
    lines: dict[str, list[tuple[int, Row]]] = {}
    for row in test_set.rows:
        count = row.best.choice.training_rows
        if count:
            lines.setdefault(identity(row.best, but=("subset",)), []).append((count, row))
    long = [line for line in lines.values() if len({count for count, _ in line}) > 1][:LINES]
    if not long:
        return None
    names = naming.names([line[0][1].best for line in long], but=(*naming.OF_TEST, "subset"))
    points = [
        _point(name, count, f"{count:,} training images", (row.accuracy, *row.interval))
        for name, line in zip(naming.fitted(names, 40), long, strict=True)
        for count, row in sorted(line, key=lambda pair: pair[0])
    ]
    caption = "Runs that differ only by their training subset, with 95 % intervals."
    return test_set.figure("labels", "Accuracy by training images", caption, _chart(points, "training images"))


def _draws(test_set: TestSet) -> Figure | None:
    drawn = [(row, one) for row in test_set.rows for one in row.results if len(one.shots or ()) > 1][:LINES]
    if not drawn:
        return None
    points = [
        _point(
            f"{row.label}, seed {result.seed}" if row.which else row.label,
            one.labels_per_class,
            f"{one.labels_per_class} labels per class",
            (one.mean, one.least, one.greatest),
        )
        for row, result in drawn
        for one in result.shots or ()
    ]
    results = [result for _, result in drawn]
    counts = {len(one.accuracies) for result in results for one in result.shots or ()}
    draws = plural(counts.pop(), "draw") if len(counts) == 1 else "draws"
    caption = (
        f"Mean over {draws} of the labeled images; bars from the worst draw to the best. The more draws, the longer "
        "the bars; what chance there is in the test images is not in them."
    )
    found = test_set.figure("shots", "Accuracy by labels per class", caption, _chart(points, "labels per class"))
    return replace(found, data=naming.data(results))


def _point(line: str, count: float, images: str, shares: tuple[float, float, float]) -> Datum:
    mean, low, high = (100 * share for share in shares)
    shown = f"{percent(shares[0])} ({interval(shares[1:])})"
    return {"line": line, "count": count, "mean": mean, "low": low, "high": high, "shown": shown, "images": images}


def _chart(points: Sequence[Datum], axis: str) -> Spec:
    lines = list(dict.fromkeys(point["line"] for point in points))
    mean, low = (vega.number(name, "test accuracy, %") for name in ("mean", "low"))
    base: Spec = {
        "x": vega.number("count", axis, log=[point["count"] for point in points], axis_format="~s", grid=False),
        "color": vega.kinds("line", lines, theme.class_colors(len(lines)), legend={"columns": 1, "labelLimit": 420}),
        "tooltip": vega.tip(("line", "Run"), ("images", "Given"), ("shown", "Accuracy")),
    }
    layers = [
        vega.mark("rule", points, {"strokeWidth": 1.5, "opacity": 0.5}, **base, y=low, y2={"field": "high"}),
        vega.mark("line", points, {"strokeWidth": 2}, **base, y=mean),
        vega.mark("point", points, {"filled": True, "size": 46}, **base, y=mean),
    ]
    return {"layer": layers}
