"""Section on classes: precision, recall and F1 of each class, and the scores in which every class counts the same."""

from collections.abc import Callable

from extract.runtime.formats import percent
from pipelines.report.charts import vega
from pipelines.report.details.confusion import names
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
    text_cell,
)
from pipelines.report.page.text import MISSING, interval
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.report.study.winners import Pick, pick
from pipelines.workspace.parts.scores import ClassScores

RATES = {"recall": theme.BLUE, "precision": theme.VERMILLION}
MEANINGS = {
    "recall": "share of the class's images that were recognized",
    "precision": "share of the images called so that are of the class",
    "f1": "harmonic mean of precision and recall",
}
DRAWN = 60  # classes up to which the chart is drawn
Named = tuple[str, ClassScores]


def section(study: Study) -> Section:
    """The balanced scores of every row, and the classes of the best run on every test set."""
    parts: list[Block | None] = []
    for test_set in study.test_sets():
        rows = [row for row in test_set.rows if row.best.test.by_class]
        if rows:
            best = pick(rows)
            parts += [_balanced(test_set, rows), _figure(test_set, best), _classes(best)]
    return Section(
        "classes",
        "By class",
        "Balanced accuracy is the mean recall, macro F1 the mean F1: in both every class counts the same, however few "
        "images it has. Intervals are of 95 %, over the test images.",
        parts,
    )


def _balanced(test_set: TestSet, rows: list[Row]) -> Table[Row]:
    columns = [
        Column[Row]("#", lambda row: number_cell(row.number), "rank by accuracy; the charts use it as a label"),
        Column[Row]("Name", lambda row: Cell(row.name, row.name.casefold(), row.name), numeric=False),
        Column[Row]("Balanced accuracy, %", lambda row: _share(row, "balanced_accuracy"), MEANINGS["recall"]),
        Column[Row]("Interval", lambda row: _ends(row, "balanced_accuracy"), numeric=False),
        Column[Row]("Macro F1, %", lambda row: _share(row, "macro_f1"), MEANINGS["f1"]),
        Column[Row]("Interval", lambda row: _ends(row, "macro_f1"), numeric=False),
    ]
    return Table(f"The best seed of every row on {test_set.title}.", columns, rows, sorted_by=2)


def _share(row: Row, name: str) -> Cell:
    return number_cell(getattr(row.best.test, name), lambda share: f"{100 * share:.1f}")


def _ends(row: Row, name: str) -> Cell:
    ends = getattr(row.best.test, f"{name}_interval")
    return text_cell(interval(ends) if ends else MISSING)


def _classes(best: Pick) -> Table[Named]:
    columns: list[Column[Named]] = [
        Column("Class", lambda one: text_cell(one[0]), numeric=False, stays=True),
        Column("Test images", lambda one: number_cell(one[1].rows)),
    ]
    for name, meaning in MEANINGS.items():
        title = name.capitalize()
        columns += [Column(f"{title}, %", _rate(name), meaning), Column("Interval", _interval(name), numeric=False)]
    return Table(f"The classes of {best.row.name}{best.said()}.", columns, _named(best.row), sorted_by=-1)


def _rate(name: str) -> Callable[[Named], Cell]:
    return lambda one: number_cell(getattr(one[1], name), lambda share: f"{100 * share:.1f}")


def _interval(name: str) -> Callable[[Named], Cell]:
    def cell(one: Named) -> Cell:
        ends = getattr(one[1], f"{name}_interval")
        return text_cell(interval(ends) if ends else MISSING)

    return cell


def _named(row: Row) -> list[Named]:
    """The classes, the worst F1 first; those without one last."""
    found = row.best.test.by_class or []
    pairs = zip(names(row.best, len(found)), found, strict=True)
    return sorted(pairs, key=lambda one: (one[1].f1 is None, one[1].f1 or 0.0))


def _figure(test_set: TestSet, best: Pick) -> Figure | None:
    classes = _named(best.row)
    if len(classes) > DRAWN:
        return None
    values = [_value(label, one, rate) for label, one in classes for rate in RATES if getattr(one, rate) is not None]
    caption = f"{best.row.name}{best.said()}: recall and precision of each class with 95 % intervals, lowest F1 first."
    return test_set.figure("classes", "Recall and precision", caption, _chart(values, len(classes)))


def _value(label: str, one: ClassScores, rate: str) -> Datum:
    share, ends = getattr(one, rate), getattr(one, f"{rate}_interval")
    shown = f"{percent(share, 1)} ({interval(ends)})"
    low, high = (100 * end for end in ends)
    return {"class": label, "rate": rate, "share": 100 * share, "low": low, "high": high, "shown": shown}


def _chart(values: list[Datum], count: int) -> Spec:
    base: Spec = {
        "y": vega.lines("class", limit=160),
        "yOffset": {"field": "rate", "sort": list(RATES)},
        "color": vega.kinds("rate", list(RATES), list(RATES.values()), legend={}),
        "tooltip": vega.tip(("class", "Class"), ("rate", "Rate"), ("shown", "Value")),
    }
    x, low = (
        vega.number("share", "recall and precision, %", domain=[0, 100]),
        vega.number("low", "recall and precision, %", domain=[0, 100]),
    )
    layers = [
        vega.mark("rule", values, {"strokeWidth": 2, "opacity": 0.55}, **base, x=low, x2={"field": "high"}),
        vega.mark("point", values, {"filled": True, "size": 55, "opacity": 1}, **base, x=x),
    ]
    return {"height": 1.2 * vega.list_height(count), "layer": layers}
