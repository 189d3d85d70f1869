"""Few-label curves: accuracy against how many labelled images a head or a network had.

Two sources: runs that differ only by `--subset` (one line for all of them), and the draws of few labels a class that
a run kept under `shots`.
"""

from collections.abc import Sequence
from dataclasses import replace

from extract.runtime.formats import percent, plural
from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Figure, Section, Spec
from pipelines.report.page.text import interval
from pipelines.report.study.rows import Row, identity
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming

LINES = 10


def section(study: Study) -> Section:
    """One figure of each kind for every test set, where there are two points to join."""
    return Section(
        "labels",
        "Few labels",
        "Test accuracy by the number of labelled training images. Lines join what was measured and say nothing of more "
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
        f"Mean over {draws} of the labelled images; bars from the worst draw to the best. The more draws, the longer "
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
