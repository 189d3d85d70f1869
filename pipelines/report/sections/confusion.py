"""Errors by class: the scores of each class, confusion matrices, and the images that are most confidently wrong."""

from collections.abc import Callable

import numpy as np

from extract.runtime.formats import percent
from pipelines.report.charts import vega
from pipelines.report.page import blocks, measure, theme
from pipelines.report.page.blocks import Block, Column, Datum, Figure, Gallery, Picture, Section, Spec, Table, words
from pipelines.report.page.text import MISSING, clipped, interval, points, printable
from pipelines.report.sections.comparison import NAME, NUMBER
from pipelines.report.study.images import NOT_AT_HAND
from pipelines.report.study.rows import OF_SEEDS, Pick, Row, pick
from pipelines.report.study.study import Study, TestSet
from pipelines.training.scores import most_confident_errors
from pipelines.workspace import naming
from pipelines.workspace.parts.scores import ClassScores, SplitScores
from pipelines.workspace.schema import DoneRecord

RATES = {"recall": theme.BLUE, "precision": theme.VERMILLION}
MEANINGS = {
    "recall": "share of the class's images that were recognized",
    "precision": "share of the images called so that are of the class",
    "f1": "harmonic mean of precision and recall",
}
LISTED = 60  # classes up to which the chart of rates is drawn
WRITTEN = 12  # classes up to which counts are written into the cells of a matrix
NAMED = 40  # classes up to which its axes name them
DRAWN = 120  # classes up to which it is drawn at all
LABEL = 110  # pixels of a class's name beside it, at most
SURE = 0.999  # the highest confidence that is written: an error is never "100.0 %" sure
PAIRS, PICTURES = 10, 12
Named = tuple[str, ClassScores]


def by_class(study: Study) -> Section:
    """The balanced scores of every row, and the classes of the best run on every test set."""
    parts: list[Block | None] = []
    for test_set in study.test_sets():
        rows = [row for row in test_set.rows if row.best.test.by_class]
        if rows:
            best = pick(rows)
            parts += [_balanced(test_set, rows), _rates(test_set, best), _scores(test_set, best)]
    return Section(
        "classes",
        "By class",
        "Balanced accuracy is the mean recall, macro F1 the mean F1: in both every class counts the same, however few "
        "images it has. Intervals are of 95 %, over the test images.",
        parts,
    )


def _balanced(test_set: TestSet, rows: list[Row]) -> Table[Row]:
    def scores(row: Row) -> SplitScores:
        return row.best.test

    columns = [
        NUMBER,
        NAME,
        *_rate("Balanced accuracy", "balanced_accuracy", MEANINGS["recall"], of=scores),
        *_rate("Macro F1", "macro_f1", MEANINGS["f1"], of=scores),
    ]
    caption = f"Every row on {test_set.title}." + (f" {OF_SEEDS}" if any(row.which for row in rows) else "")
    ordered = sorted(rows, key=lambda row: -(scores(row).balanced_accuracy or 0.0))
    return Table(caption, columns, ordered, sorted_by=2)


def _scores(test_set: TestSet, best: Pick) -> Table[Named]:
    columns: list[Column[Named]] = [
        words("Class", lambda one: one[0], stays=True),
        blocks.numbers("Test images", lambda one: one[1].rows),
    ]
    for name, meaning in MEANINGS.items():
        columns += _rate(name.capitalize(), name, meaning, of=_of_class)
    return Table(f"The classes of {best.row.name} on {test_set.title}{best.said()}.", columns, _classes(best.row))


def _of_class(one: Named) -> ClassScores:
    return one[1]


def _rate(
    title: str, name: str, meaning: str, *, of: Callable[[blocks.Item], ClassScores | SplitScores]
) -> list[Column[blocks.Item]]:
    """The columns of a score and of its interval, by its name."""

    def ends(item: blocks.Item) -> str:
        found = getattr(of(item), f"{name}_interval")
        return interval(found) if found else MISSING

    def score(item: blocks.Item) -> float | None:
        return getattr(of(item), name)

    return [blocks.numbers(f"{title}, %", score, points, meaning), words("Interval", ends)]


def _classes(row: Row) -> list[Named]:
    """The classes, the worst F1 first; those without one last."""
    found = row.best.test.by_class or []
    pairs = zip(names(row.best, len(found)), found, strict=True)
    return sorted(pairs, key=lambda one: (one[1].f1 is None, one[1].f1 or 0.0))


def _rates(test_set: TestSet, best: Pick) -> Figure | None:
    classes = _classes(best.row)
    if len(classes) > LISTED:
        return None
    values = [_value(label, one, rate) for label, one in classes for rate in RATES if getattr(one, rate) is not None]
    x, low = (vega.number(name, "recall and precision, %", domain=[0, 100]) for name in ("share", "low"))
    base: Spec = {
        "y": vega.lines("class", limit=160),
        "yOffset": {"field": "rate", "sort": list(RATES)},
        "color": vega.kinds("rate", list(RATES), list(RATES.values()), legend={}),
        "tooltip": vega.tip(("class", "Class"), ("rate", "Rate"), ("shown", "Value")),
    }
    layers = [
        vega.mark("rule", values, {"strokeWidth": 2, "opacity": 0.55}, **base, x=low, x2={"field": "high"}),
        vega.mark("point", values, {"filled": True, "size": 55, "opacity": 1}, **base, x=x),
    ]
    chart: Spec = {"height": 1.2 * vega.list_height(len(classes)), "layer": layers}
    caption = f"{best.row.name}{best.said()}: recall and precision of each class with 95 % intervals, lowest F1 first."
    return test_set.figure("classes", "Recall and precision", caption, chart)


def _value(label: str, one: ClassScores, rate: str) -> Datum:
    share, ends = getattr(one, rate), getattr(one, f"{rate}_interval")
    low, high = (100 * end for end in ends)
    shown = f"{percent(share, 1)} ({interval(ends)})"
    return {"class": label, "rate": rate, "share": 100 * share, "low": low, "high": high, "shown": shown}


def matrices(study: Study) -> Section:
    """The confusion matrix of the best run of every mode on every test set, where one was kept."""
    parts: list[Block | None] = []
    for test_set in study.test_sets():
        best = [one for one in test_set.best_of_modes() if one.row.best.test.confusion]
        drawn = [figure(one.row, one.said()) for one in best if len(one.row.best.test.confusion) <= DRAWN]
        parts += [blocks.side_by_side(drawn), _pairs(test_set, pick([one.row for one in best]).row) if best else None]
    return Section(
        "confusion",
        "Confusion matrices",
        "Rows are true classes, columns predicted ones. Blue: correct; orange: wrong, by the share of the row, on a "
        "scale of its own so that rare errors show.",
        parts,
    )


def sureness(probability: float) -> str:
    """The probability of an answer, such as "97.3 %"; never "100.0 %"."""
    return percent(min(probability, SURE), 1)


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
        {
            "true": labels[i],
            "said": labels[j],
            "count": count,
            "written": str(count) if count or i == j else "",
            "share": (share := count / max(sum(line), 1)),
            "right": i == j,
            "shown": f"{count} of {sum(line)} ({percent(share, 1)})",
        }
        for i, line in enumerate(matrix)
        for j, count in enumerate(line)
        if count or len(matrix) <= WRITTEN
    ]
    accuracy = f"{percent(result.test.accuracy)} of {result.test.rows:,}"
    caption = f"{naming.MODES[result.mode].capitalize()}, {accuracy} correct{chosen}."
    chart, least_width = _chart(values, labels), 0
    if len(labels) <= WRITTEN:  # the counts must have room in their cells, beside the names and the title
        digits = max(len(value["written"]) for value in values)
        names_width = min(max(measure.width(label, theme.LEAST_FONT) for label in labels), LABEL)
        least_width = int(len(labels) * (7 * digits + 5) + names_width + 40)
    return vega.of_run(result, "confusion", f"Confusion matrix: {row.name}", caption, chart, least_width=least_width)


def _chart(values: list[Datum], labels: list[str]) -> Spec:
    look: Spec = {
        "labels": len(labels) <= NAMED, "ticks": False, "domain": False, "labelLimit": LABEL, "labelOverlap": False,
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


def _pairs(test_set: TestSet, row: Row) -> Table[tuple[int, float, str, str]]:
    matrix = row.best.test.confusion
    labels = names(row.best, len(matrix))
    wrong = [
        (count, count / sum(line), labels[i], labels[j])
        for i, line in enumerate(matrix)
        for j, count in enumerate(line)
        if i != j and count
    ]
    wrong.sort(key=lambda pair: (-pair[0], pair[2], pair[3]))
    columns: list[Column[tuple[int, float, str, str]]] = [
        words("True class", lambda pair: pair[2]),
        words("Predicted class", lambda pair: pair[3]),
        blocks.numbers("Images", lambda pair: pair[0]),
        blocks.numbers("Of the class, %", lambda pair: pair[1], points),
    ]
    return Table(
        f"Most frequent confusions of {row.name} on {test_set.title}{row.which}.", columns, wrong[:PAIRS], sorted_by=2
    )


def misclassified(study: Study) -> Section:
    """A gallery for the best run of every mode on every test set, where logits were kept and an image is wrong."""
    return Section(
        "misclassified",
        "Most confident errors",
        "Misclassified test images by the probability of the wrong class, highest first. Some labels may be wrong.",
        [_gallery(study, one, best) for one in study.test_sets() for best in one.best_of_modes()],
    )


def gallery_title(test_set: TestSet, row: Row) -> str:
    """The title of the gallery of a row's errors."""
    return f"{row.name} on {test_set.title}"


def _gallery(study: Study, test_set: TestSet, best: Pick) -> Gallery | None:
    result = best.row.best
    kept = study.logits(result)
    if kept is None:
        return None
    logits, labels = kept
    class_names = names(result, logits.shape[1])
    split = study.images.test_split(result)
    shown = split is not None and np.array_equal(split.labels, labels)
    pictures = [
        Picture(
            study.images.key(result, row) if shown else "",
            [
                ("true", class_names[labels[row]]),
                ("predicted", class_names[wrong]),
                ("confidence", sureness(probability)),
            ],
        )
        for row, wrong, probability in most_confident_errors(logits, labels, count=PICTURES)
    ]
    accuracy = percent(result.test.accuracy)
    caption = f"{naming.MODES[result.mode].capitalize()}, test accuracy {accuracy}{best.said()}."
    return (
        Gallery(gallery_title(test_set, best.row), caption + ("" if shown else NOT_AT_HAND), pictures)
        if pictures
        else None
    )
