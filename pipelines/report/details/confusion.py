"""Section on confusion: confusion matrices of the best runs, and the pairs that are confused most."""

from extract.runtime.formats import percent
from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import (
    Block,
    Cell,
    Column,
    Datum,
    Figure,
    Section,
    Spec,
    Table,
    number_cell,
    side_by_side,
)
from pipelines.report.page.text import clipped, printable
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study
from pipelines.report.study.winners import pick
from pipelines.workspace import naming
from pipelines.workspace.schema import DoneRecord

WRITTEN = 12  # classes up to which counts are written into the cells
NAMED = 40  # classes up to which the axes name them
DRAWN = 120  # classes up to which the matrix is drawn at all
PAIRS = 10


def section(study: Study) -> Section:
    """The best run of every mode on every test set, where a matrix was kept."""
    parts: list[Block | None] = []
    for test_set in study.test_sets():
        best = [one for one in test_set.best_of_modes() if one.row.best.test.confusion]
        drawn = [figure(one.row, one.said()) for one in best if len(one.row.best.test.confusion) <= DRAWN]
        parts += [side_by_side(drawn), _pairs(pick([one.row for one in best]).row) if best else None]
    return Section(
        "confusion",
        "Confusion matrices",
        "Rows are true classes, columns predicted ones. Blue: correct; orange: wrong, by the share of the row, on a "
        "scale of its own so that rare errors show.",
        parts,
    )


def names(result: DoneRecord, count: int) -> list[str]:
    """`count` names of classes, distinct and short enough to be shown; numbers where none were kept."""
    given = [clipped(printable(name), 40) for name in result.class_names[:count]]
    given += [f"class {index}" for index in range(len(given), count)]
    repeated = {name for name in given if given.count(name) > 1}
    return [f"{name} ({index})" if name in repeated else name for index, name in enumerate(given)]


def figure(row: Row, chosen: str = "") -> Figure:
    """The confusion matrix of the best run of a row; `chosen` says how it was chosen (`Pick.said`)."""
    result, matrix = row.best, row.best.test.confusion
    labels = names(result, len(matrix))
    values = [
        _value(count, sum(line), labels[i], labels[j], i == j)
        for i, line in enumerate(matrix)
        for j, count in enumerate(line)
        if count or len(matrix) <= WRITTEN
    ]
    accuracy = f"{percent(result.test.accuracy)} of {result.test.rows}"
    caption = f"{naming.MODES[result.mode].capitalize()}, {accuracy} correct{chosen}."
    return vega.of_run(result, "confusion", f"Confusion matrix: {row.name}", caption, _chart(values, labels))


def _value(count: int, total: int, true: str, said: str, right: bool) -> Datum:
    share = count / total if total else 0.0
    return {
        "true": true,
        "said": said,
        "count": count,
        "written": str(count) if count or right else "",
        "share": share,
        "right": right,
        "shown": f"{count} of {total} ({percent(share, 1)})",
    }


def _chart(values: list[Datum], labels: list[str]) -> Spec:
    look: Spec = {
        "labels": len(labels) <= NAMED, "ticks": False, "domain": False, "labelLimit": 110, "labelOverlap": False,
        "grid": False,
    }  # fmt: skip
    tilted = {**look, "labelAngle": 0 if max(map(len, labels)) <= 2 else -45}
    scale = {"domain": labels}  # alone orders the classes: Vega fails on a `sort` that lists "constructor"
    base: Spec = {
        "x": {**vega.words("said"), "title": "predicted", "axis": tilted, "scale": scale},
        "y": {**vega.words("true"), "title": "true", "axis": look, "scale": scale},
        "tooltip": vega.tip(("true", "True"), ("said", "Predicted"), ("shown", "Images")),
    }
    layers: list[Spec] = []
    for right, *ramp in ((True, theme.WASH_BLUE, theme.DEEP_BLUE), (False, theme.WASH_RED, theme.DEEP_RED)):
        part = [value for value in values if value["right"] == right]
        most = max((value["share"] for value in part), default=0.0) or 1.0
        share = {"scale": {"domain": [0, most], "range": ramp, "interpolate": "rgb"}, "legend": None}
        layers.append(vega.mark("rect", part, {}, **base, color={**vega.plain("share"), **share}))
        for ink in (theme.INK, theme.PAPER) if len(labels) <= WRITTEN else ():
            some = [value for value in part if theme.ink_on(ramp, value["share"] / most) == ink]
            layers.append(vega.mark("text", some, {"color": ink}, **base, text=vega.words("written")))
    return {"layer": layers, "resolve": {"scale": {"color": "independent"}}}


def _pairs(row: Row) -> Table:
    result, matrix = row.best, row.best.test.confusion
    labels = names(result, len(matrix))
    wrong = [
        (count, count / sum(line), labels[i], labels[j])
        for i, line in enumerate(matrix)
        for j, count in enumerate(line)
        if i != j and count
    ]
    wrong.sort(key=lambda pair: (-pair[0], pair[2], pair[3]))
    columns: list[Column[tuple[int, float, str, str]]] = [
        Column("True class", lambda pair: Cell(pair[2], pair[2], pair[2]), numeric=False),
        Column("Predicted class", lambda pair: Cell(pair[3], pair[3], pair[3]), numeric=False),
        Column("Images", lambda pair: number_cell(pair[0])),
        Column("Of the class, %", lambda pair: number_cell(pair[1], lambda share: f"{100 * share:.1f}")),
    ]
    return Table(f"Most frequent confusions of {row.name}{row.which}.", columns, wrong[:PAIRS], sorted_by=2)
