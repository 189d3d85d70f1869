"""Few-label curves: accuracy against how many labelled images a head or a network had.

Two sources: runs that differ only by `--subset` (one line for all of them), and the draws of few labels a class that
a run kept under `shots`, one row {labels_per_class, mean, least, greatest} a count.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Figure, Section
from pipelines.report.page.text import grouped, interval, percent, plural
from pipelines.report.study.results import Result, number
from pipelines.report.study.rows import Row, identity
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming

LINES = 10


def section(study: Study) -> Section | None:
    """One figure of each kind for every test set; None where neither has two points to join."""
    blocks: list[Block] = []
    for place, test_set in enumerate(study.test_sets(), start=1):
        blocks += [figure for figure in (_subsets(test_set, place), _draws(test_set, place)) if figure is not None]
    if not blocks:
        return None
    return Section(
        "labels",
        "Few labels",
        "Test accuracy by the number of labelled training images. Lines join what was measured and say nothing of more "
        "labels than their last point has.",
        blocks,
    )


def _subsets(test_set: TestSet, place: int) -> Figure | None:
    lines: dict[str, list[tuple[int, Row]]] = {}
    for row in test_set.rows:
        count = row.best.training_rows
        if count:
            lines.setdefault(identity(row.best, but=("subset",)), []).append((count, row))
    long = [line for line in lines.values() if len({count for count, _ in line}) > 1][:LINES]
    names = naming.names([line[0][1].best.record for line in long], but=("seed", "subset", "dataset", "test_subset"))
    points = [
        {
            "line": name,
            "count": count,
            "mean": 100 * row.accuracy,
            "low": 100 * row.interval[0],
            "high": 100 * row.interval[1],
            "shown": f"{percent(row.accuracy, 2)} ({interval(row.interval)})",
            "images": f"{grouped(count, 0)} training images",
        }
        for name, line in zip(naming.fitted(names, 40), long, strict=True)
        for count, row in sorted(line, key=lambda pair: pair[0])
    ]
    caption = "Runs that differ only by their training subset, with 95 % intervals."
    title = f"Accuracy by training images on {test_set.title}"
    return _figure(f"labels-{place}", (title, test_set.data), caption, "training images", points)


def _draws(test_set: TestSet, place: int) -> Figure | None:
    drawn = [(row, one) for row in test_set.rows for one in row.results if len(_table(one)) > 1][:LINES]
    points = []
    for row, result in drawn:
        points += [
            {
                "line": f"{row.label}, seed {result.seed}" if row.which else row.label,
                "count": one["labels_per_class"],
                "mean": 100 * one["mean"],
                "low": 100 * one["least"],
                "high": 100 * one["greatest"],
                "shown": f"{percent(one['mean'], 2)} ({interval((one['least'], one['greatest']))})",
                "images": f"{one['labels_per_class']:.0f} labels per class",
            }
            for one in _table(result)
        ]
    draws = _draws_of([result for _, result in drawn])
    caption = (
        f"Mean over {draws} of the labelled images; bars from the worst draw to the best. The more draws, the longer "
        "the bars; what chance there is in the test images is not in them."
    )
    title = f"Accuracy by labels per class on {test_set.title}"
    data = naming.data([result.record for _, result in drawn]) if drawn else ""
    return _figure(f"shots-{place}", (title, data), caption, "labels per class", points)


def _draws_of(results: Sequence[Result]) -> str:
    """How many draws there were, where that was the same for all."""
    counts = {len(one["accuracies"]) for result in results for one in result.record["shots"] if "accuracies" in one}
    return plural(counts.pop(), "draw") if len(counts) == 1 else "draws"


def _table(result: Result) -> list[dict[str, float]]:
    """The rows under `shots` that can be drawn."""
    table = result.record.get("shots")
    found = []
    for row in table if isinstance(table, list) else []:
        values = {name: number(row.get(name)) for name in NEEDED} if isinstance(row, Mapping) else {}
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) == len(NEEDED) and known["labels_per_class"] > 0:
            found.append(known)
    return found


NEEDED = ("labels_per_class", "mean", "least", "greatest")


def _figure(
    name: str, titles: tuple[str, str], caption: str, axis: str, points: Sequence[dict[str, Any]]
) -> Figure | None:
    if not points:
        return None
    lines = list(dict.fromkeys(point["line"] for point in points))
    colors = [theme.CLASS_COLORS[index % len(theme.CLASS_COLORS)] for index in range(len(lines))]
    base = alt.Chart(theme.data(points)).encode(
        x=theme.x("count", axis, log=[point["count"] for point in points], axis_format="~s", grid=False),
        color=alt.Color(
            field="line",
            type="nominal",
            scale=alt.Scale(domain=lines, range=colors),
            legend=alt.Legend(title=None, columns=1, labelLimit=420),
        ),
        tooltip=theme.tip(("line", "Run"), ("images", "Given"), ("shown", "Accuracy")),
    )
    up = theme.y("mean", "test accuracy, %")
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.5).encode(
        y=theme.y("low", "test accuracy, %"), y2=alt.Y2(field="high")
    )
    chart = alt.layer(
        bars, base.mark_line(strokeWidth=2).encode(y=up), base.mark_point(filled=True, size=46).encode(y=up)
    )
    return Figure(name, titles[0], caption, chart, data=titles[1])
