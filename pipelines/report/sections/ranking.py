"""What `pipeline rank` found: backbones on a subset of the training images."""

from extract.runtime.formats import amount, duration, percent, size
from pipelines.report.charts import scatter, vega
from pipelines.report.charts.scatter import Cost
from pipelines.report.page import theme
from pipelines.report.page.blocks import (
    Block,
    Cell,
    Column,
    Datum,
    Figure,
    Section,
    Table,
    numbers,
    side_by_side,
    words,
)
from pipelines.report.page.text import change, interval, points
from pipelines.report.study.study import Study
from pipelines.workspace import naming
from pipelines.workspace.parts.inspections import RankedBackbone, RankingResult

SHOWN = 3
LOOKS = {
    "recommended": (theme.GREEN, "square"),
    "no difference shown": (theme.BLUE, "circle"),
    "worse": (theme.VERMILLION, "triangle-down"),
}


COSTS: tuple[Cost[RankedBackbone], ...] = (
    Cost("flops", "FLOPs", "FLOPs per image", lambda one: one.flops, amount),
    Cost("seconds", "time", "time to extract all images", lambda one: one.seconds, duration, times=True),
)


def rankings(study: Study) -> Section:
    """The newest rankings of the workspace."""
    found = study.explored(RankingResult, most=SHOWN)
    return Section(
        "ranking",
        "Choice of a backbone",
        "Accuracy of a linear probe on training images that it did not learn from (five folds), with LogME (You et "
        "al., 2022) and the H-score with shrinkage (Bao et al., 2019; Ibrahim et al., 2022). No test image was scored.",
        [block for number, one in enumerate(found, start=1) for block in _blocks(one, number)],
    )


def _blocks(found: RankingResult, number: int) -> list[Block | None]:
    return [side_by_side(_figure(found, cost, number) for cost in COSTS), _table(found)]


def _figure(found: RankingResult, cost: Cost[RankedBackbone], number: int) -> Figure | None:
    """Accuracy of the probes against a cost; None where that is not known of two backbones."""
    known = [(one, value) for one in found.backbones if (value := cost.value(one))]
    if len(known) < 2:
        return None
    briefs = naming.fitted([one.backbone for one, _ in known], scatter.BRIEF)
    values = [
        _point(found, one, value, cost) | {"brief": brief} for (one, value), brief in zip(known, briefs, strict=True)
    ]
    looks = {name: look for name, look in LOOKS.items() if any(one["verdict"] == name for one in values)}
    colors, shapes = zip(*looks.values(), strict=True)
    chart = scatter.chart(
        scatter.Points(values, values),
        cost,
        up="accuracy of the probe, %",
        colored="verdict",
        look={
            "color": vega.kinds("verdict", [*looks], colors, legend={}),
            "shape": vega.kinds("verdict", [*looks], shapes, legend={}),
        },
        tips=vega.tip(("name", "Backbone"), ("shown", "Probe"), ("paid", cost.short.capitalize())),
    )
    data = f"{found.dataset}, {found.rows:,} training images"
    caption = "Bars are 95 % intervals; differences from the best are judged in pairs, on the same images."
    return Figure(
        f"ranking-{cost.name}-{number}", f"Probe against {cost.short}", caption, chart, shape="half", data=data
    )


def _point(found: RankingResult, one: RankedBackbone, value: float, cost: Cost[RankedBackbone]) -> Datum:
    """A backbone as the chart has it."""
    recommended, alike, worse = LOOKS
    low, high = (100 * end for end in one.interval)
    return {
        "name": one.backbone,
        "verdict": recommended if one.backbone == found.recommended else worse if one.is_worse else alike,
        "accuracy": 100 * one.accuracy,
        "low": low,
        "high": high,
        "shown": f"{percent(one.accuracy, 1)} ({interval(one.interval)})",
        "cost": value,
        "paid": cost.shown(value),
    }


def _table(found: RankingResult) -> Table[RankedBackbone]:
    def behind(one: RankedBackbone) -> Cell:
        said = "" if one is found.backbones[0] else change(one.difference, one.difference_interval)
        return Cell(said, one.difference)

    columns: list[Column[RankedBackbone]] = [
        words("Backbone", lambda one: one.backbone, stays=True),
        words("Weights", lambda one: one.weights),
        Column("Probe, %", lambda one: Cell(f"{points(one.accuracy)} ({interval(one.interval)})", one.accuracy)),
        Column("To the best, points", behind),
        numbers("LogME", lambda one: one.logme, "{:.3f}".format),
        numbers("H-score", lambda one: one.h_score, "{:.2f}".format),
        numbers("Parameters", lambda one: one.parameters, amount),
        numbers("FLOPs", lambda one: one.flops, amount),
        numbers("All images", lambda one: one.seconds, duration),
        numbers("On disk", lambda one: one.file_bytes, size),
    ]
    caption = (
        f"{found.rows:,} training images of {found.dataset}. Recommended: {found.recommended}, that of the fewest "
        "FLOPs of those not shown to be worse than the best (95 %, corrected for all pairs). "
        f"All images are {found.images:,}."
    )
    return Table(caption, columns, found.backbones, sorted_by=2)
