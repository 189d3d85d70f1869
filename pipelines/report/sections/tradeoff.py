"""Accuracy against what it costs (parameters, FLOPs, seconds, bytes) with its Pareto front, and where the time goes."""

import functools
from collections.abc import Sequence

from extract.runtime.formats import amount, bytes_amount, duration, percent
from pipelines.report.charts import labels, scatter, vega
from pipelines.report.charts.scatter import Cost
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Figure, Section, Spec, side_by_side
from pipelines.report.page.measure import cut
from pipelines.report.page.text import clipped
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming
from pipelines.workspace.schema import PHASES

NAMED = 15  # points up to which all are named; of more, those on the front
TIMED = 20  # rows whose time is shown
PHASE_COLORS = {"extraction": theme.GOLD, "search": theme.GREEN, "fit": theme.BLUE}


COSTS: tuple[Cost[Row], ...] = (
    Cost("parameters", "parameters", "parameters", lambda row: row.best.parameters, amount),
    Cost("flops", "FLOPs", "FLOPs per image", lambda row: row.best.flops, amount),
    Cost("seconds", "time", "time: extraction, search and fit", lambda row: row.seconds("total"), duration, times=True),
    Cost("bytes", "size", "bytes of the kept weights", lambda row: row.best.bytes, bytes_amount),
)


def trade_offs(study: Study) -> Section:
    """Four plots for every test set with at least two rows."""
    return Section(
        "trade-offs",
        "Trade-offs",
        "The line joins the Pareto front: runs that no other beats in both accuracy and cost. It goes by the measured "
        "accuracies; bars are their 95 % intervals, within which other test images could put others on it.",
        [side_by_side(_figure(test_set, cost) for cost in COSTS) for test_set in study.test_sets()],
    )


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, accuracy) pairs that no other pair beats, cheapest first.

    A pair is beaten by one that is at most as costly and at least as accurate, and better in one of the two. Of
    equal pairs the first stays.
    """
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index))
    kept: list[int] = []
    for index in order:
        if not kept or points[index][1] > points[kept[-1]][1]:
            kept.append(index)
    return kept


def _figure(test_set: TestSet, cost: Cost[Row]) -> Figure | None:
    known = [(row, value) for row in test_set.rows if (value := cost.value(row))]
    others = _published(test_set) if cost.name == "parameters" else []
    if not known or len({value for _, value in known} | {one["cost"] for one in others}) < 2:
        return None
    briefs = _briefs([row for row, _ in known])
    values = [
        {
            **vega.of_row(row),
            "short": row.short,
            "brief": brief,
            "architecture": clipped(row.best.architecture, 40),
            "cost": value,
            "paid": cost.shown(value),
        }
        for (row, value), brief in zip(known, briefs, strict=True)
    ]
    line = [values[index] for index in front([(value, row.accuracy) for row, value in known])]
    frame = scatter.Frame.around([*values, *others])
    named = values if len(values) <= NAMED else line[-NAMED:]
    alike = {row.best.architecture for row, _ in known}
    named = [*named, *(one for one in others if one["architecture"] in alike or len(named) + len(others) <= NAMED)]
    beyond = [frame.name(one) for one in values if frame.name(one) != one["brief"]]
    caption = f"On the front: {'; '.join(one['short'] for one in line[:12])}{'; …' if len(line) > 12 else ''}."
    caption += f" Beyond the axis: {'; '.join(beyond)}." if beyond else ""
    caption += " Hollow: published results, as in the comparison; they count for no front." if others else ""
    chart = _chart(scatter.Points(values, named, line, others), cost)
    title = f"Accuracy against {cost.short}"
    return test_set.figure(f"accuracy-against-{cost.name}", title, caption, chart, shape="half")


def _published(test_set: TestSet) -> list[Datum]:
    """The published points of the test set."""
    return [
        {
            "name": one.network, "brief": one.network, "architecture": one.network,
            "mode": f"{one.source}: {one.chosen}",
            "cost": one.parameters, "paid": amount(one.parameters), "shown": percent(one.accuracy),
            **dict.fromkeys(("accuracy", "low", "high"), 100 * one.accuracy),
        }
        for one in test_set.published
    ]  # fmt: skip


def _briefs(rows: Sequence[Row]) -> list[str]:
    """Names that fit into the plot: without the mode, which has a color or is the only one, and the only backbone."""
    names = naming.names([row.best for row in rows], but=naming.OF_TEST)
    backbones = {row.best.architecture for row in rows if row.best.kind == "head"}
    left_out = [f" {mode}" for mode in naming.MODES.values()]
    left_out += [f" on {backbone}" for backbone in backbones] if len(backbones) == 1 else []
    shorter = [functools.reduce(lambda text, words: text.replace(words, "", 1), left_out, name) for name in names]
    fitted = naming.fitted(shorter if len(set(shorter)) == len(set(names)) else names, scatter.BRIEF)
    room = scatter.BRIEF * labels.CHARACTER
    return [cut(name.removesuffix(f", {naming.MORE}"), size=theme.LEAST_FONT, room=room) for name in fitted]


def _chart(points: scatter.Points, cost: Cost[Row]) -> Spec:
    colored, look = _colors(points.values)
    paid = cost.short if cost.name == "flops" else cost.short.capitalize()
    return scatter.chart(
        points,
        cost,
        up="test accuracy, %",
        colored=colored,
        look=look,
        tips=vega.tip(("name", "Run"), ("mode", "Mode"), ("shown", "Accuracy"), ("paid", paid)),
    )


def _colors(values: Sequence[Datum]) -> tuple[str, Spec]:
    """(field that colors the points, their color and shape): the mode, or the architecture where there is one mode."""
    kinds = list(dict.fromkeys(value["architecture"] for value in values))
    look = vega.modes([value["mode"] for value in values])
    if len({value["mode"] for value in values}) > 1 or not 1 < len(kinds) <= len(theme.CLASS_COLORS):
        return "mode", look
    color = vega.kinds("architecture", kinds, theme.class_colors(len(kinds)), legend={"columns": 2})
    return "architecture", {**look, "color": color}


def time(study: Study) -> Section:
    """Stacked seconds of the best rows of every test set, where any were recorded."""
    return Section(
        "costs",
        "Time",
        "The time until the classifier was there: reading and decoding the training images, their features where there "
        "is a head, every training and every pass over validation images; nothing of the test images. An extraction is "
        "counted for every head on it, although it is done once: the second head on the same features costs only its "
        "search and fit.",
        [_time(test_set) for test_set in study.test_sets()],
    )


def _time(test_set: TestSet) -> Figure | None:
    rows = [row for row in test_set.rows if row.seconds("total")][:TIMED]
    values = [
        {
            **vega.of_row(row),
            "phase": phase,
            "order": order,
            "seconds": seconds,
            "shown": duration(seconds),
            "all": f"{duration(row.seconds('total') or 0.0)} for {percent(row.accuracy)}",
        }
        for row in rows
        for order, phase in enumerate(PHASES[:3])
        if (seconds := row.seconds(phase))
    ]
    if not values:
        return None
    phases = [phase for phase in PHASE_COLORS if any(value["phase"] == phase for value in values)]
    tips = (("name", "Run"), ("mode", "Mode"), ("phase", "Phase"), ("shown", "Seconds"), ("all", "In all"))
    bars = vega.mark(
        "bar",
        values,
        {"height": {"band": 0.68}},
        y=vega.lines("label"),
        x=vega.number(
            "seconds", "time", domain=[0, 1.02 * max(row.seconds("total") or 0.0 for row in rows)], times=True
        ),
        color=vega.kinds("phase", phases, [PHASE_COLORS[phase] for phase in phases], legend={}),
        order=vega.plain("order"),
        tooltip=vega.tip(*tips),
    )
    more = f" The {TIMED} most accurate." if len(test_set.rows) > TIMED else ""
    chart = {**bars, "height": vega.list_height(len(rows))}
    return test_set.figure("costs", "Time", f"In the order of test accuracy.{more}", chart)
