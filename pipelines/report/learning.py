"""Learning curves, and by a stated rule where a run over-fits or under-fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from pipelines.report import theme
from pipelines.report.blocks import Block, Figure, Figures, Section
from pipelines.report.results import Result
from pipelines.report.rows import Row
from pipelines.report.study import Study
from pipelines.report.text import clipped

SHOWN = 8  # runs with curves of their own
TOGETHER = 10  # runs in the picture that compares them
RISE = 1.05  # held-out loss above its least by this factor is over-fitting
CLOSE, PERFECT = 0.01, 0.99  # under-fitting: training ahead by less than the one, itself below the other
RULE = (
    "Best epoch: highest held-out accuracy (least held-out loss where no accuracy was kept), the first of equals. "
    "Over-fitting: held-out loss ends more than 5 % above its least while the training loss has fallen since; shaded "
    "from that epoch. Under-fitting: at the best epoch training is less than one point ahead of held-out accuracy, "
    "and below 99 %. Training accuracy is measured on augmented images where a run augments."
)


@dataclass(frozen=True)
class Verdict:
    """What the rule says of one run. Epochs count from 1; `gap` is training minus held-out accuracy, a fraction."""

    best_epoch: int | None
    gap: float | None
    overfits_from: int | None
    underfits: bool

    def sentence(self) -> str:
        """The verdict in words."""
        parts = [] if self.best_epoch is None else [f"best epoch {self.best_epoch}"]
        if self.gap is not None:
            parts.append(f"gap {100 * self.gap:.1f} points")
        if self.overfits_from is not None:
            parts.append(f"over-fitting after epoch {self.overfits_from}")
        if self.underfits:
            parts.append("under-fitting")
        sentence = ", ".join(parts) or "no held-out curve"
        return sentence[0].upper() + sentence[1:] + "."


def judge(curves: Any) -> Verdict:
    """The `Verdict` on curves (name -> values an epoch, None where not finite)."""
    accuracy, loss = curves.get("held_out_accuracy", ()), curves.get("held_out_loss", ())
    best = _first(accuracy, largest=True)
    best = _first(loss, largest=False) if best is None else best
    gap = _difference(curves.get("train_accuracy", ()), accuracy, best)
    trained = _at(curves.get("train_accuracy", ()), best)
    turned = _turning_point(loss, curves.get("train_loss", ()))
    under = turned is None and gap is not None and trained is not None and gap < CLOSE and trained < PERFECT
    return Verdict(None if best is None else best + 1, gap, turned, under)


def section(study: Study) -> Section | None:
    """Curves of the best runs that have any; None without one."""
    curved = [row.best for row in study.rows if _is_curved(row)]
    if not curved:
        return None
    blocks: list[Block] = []
    together = _together(curved[:TOGETHER])
    if together is not None:
        blocks.append(together)
    blocks.append(Figures([figure for result in curved[:SHOWN] for figure in _figures(result)]))
    left_out = f" The {SHOWN} most accurate of {len(curved)}; --runs shows others." if len(curved) > SHOWN else ""
    return Section("learning", "Learning curves", RULE + left_out, blocks)


def _is_curved(row: Row) -> bool:
    return any(len(points) > 1 for name, points in row.best.curves.items() if name != "learning_rate")


def _figures(result: Result) -> list[Figure]:
    verdict = judge(result.curves)
    figures = []
    for quantity, title, factor in (("accuracy", "accuracy, %", 100.0), ("loss", "loss, nats", 1.0)):
        points = _points(result, quantity, factor)
        if len(points) > 1:
            figures.append(
                Figure(
                    f"learning-{quantity}-{result.run}",
                    f"{clipped(result.name, 44)}: {quantity}",
                    verdict.sentence(),
                    _chart(points, title, verdict),
                    shape="half",
                )
            )
    return figures


def _points(result: Result, quantity: str, factor: float) -> list[dict[str, Any]]:
    points = []
    for part, shown in (("train", "training"), ("held_out", "held out")):
        for epoch, value in enumerate(result.curves.get(f"{part}_{quantity}", ()), start=1):
            if value is not None:
                number = factor * value
                points.append({"epoch": epoch, "value": number, "part": shown, "shown": f"{number:.4g}"})
    return points


def _chart(points: list[dict[str, Any]], title: str, verdict: Verdict) -> alt.LayerChart | alt.FacetChart:
    last = max(point["epoch"] for point in points)
    across = theme.x("epoch", "epoch", domain=[1, last], axis_format="d", grid=False)
    parts = alt.Color(
        field="part",
        type="nominal",
        scale=alt.Scale(domain=["training", "held out"], range=[theme.MUTED, theme.BLUE]),
        legend=alt.Legend(title=None),
    )
    lines = (
        alt.Chart(theme.data(points))
        .mark_line(strokeWidth=2, interpolate="linear", point=alt.OverlayMarkDef(size=16, filled=True))
        .encode(
            x=across,
            y=theme.y("value", title),
            color=parts,
            tooltip=[alt.Tooltip(field="epoch", type="quantitative", title="Epoch"), *_tips()],
        )
    )
    layers: list[Any] = []
    if verdict.overfits_from is not None:
        shaded = alt.Chart(theme.data([{"from": verdict.overfits_from, "to": last}]))
        layers.append(
            shaded.mark_rect(color=theme.VERMILLION, opacity=0.12).encode(x=_epoch("from"), x2=alt.X2(field="to"))
        )
    if verdict.best_epoch is not None:
        mark = alt.Chart(theme.data([{"epoch": verdict.best_epoch}]))
        layers.append(mark.mark_rule(strokeDash=[4, 3], color=theme.GREEN, strokeWidth=1.5).encode(x=_epoch("epoch")))
    return alt.layer(*layers, lines)


def _epoch(name: str) -> alt.X:
    return alt.X(field=name, type="quantitative", title="epoch")


def _tips() -> list[alt.Tooltip]:
    return theme.tip(("part", "Curve"), ("shown", "Value"))


def _together(results: Sequence[Result]) -> Figure | None:
    points = [
        {"epoch": epoch, "value": 100 * value, "name": clipped(one.name, 40), "shown": f"{100 * value:.2f} %"}
        for one in _distinct(results)
        for epoch, value in enumerate(one.curves.get("held_out_accuracy", ()), start=1)
        if value is not None
    ]
    names = list(dict.fromkeys(point["name"] for point in points))
    if len(names) < 2:
        return None
    near = alt.selection_point(fields=["name"], bind="legend")
    chart = (
        alt.Chart(theme.data(points))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18, filled=True))
        .encode(
            x=theme.x("epoch", "epoch", axis_format="d", grid=False),
            y=theme.y("value", "held-out accuracy, %"),
            color=alt.Color(
                field="name",
                type="nominal",
                scale=alt.Scale(domain=names, range=list(theme.CLASS_COLOURS[: len(names)])),
                legend=alt.Legend(title=None, columns=2, labelLimit=260),
            ),
            opacity=alt.when(near).then(alt.value(1.0)).otherwise(alt.value(0.15)),
            tooltip=[
                *theme.tip(("name", "Run"), ("shown", "Held out")),
                alt.Tooltip(field="epoch", type="quantitative", title="Epoch"),
            ],
        )
        .add_params(near)
    )
    return Figure("learning-together", "Held-out accuracy", "A click on a name keeps its curve.", chart)


def _distinct(results: Sequence[Result]) -> list[Result]:
    """One result for every shown name, the most accurate."""
    found: dict[str, Result] = {}
    for result in results:
        found.setdefault(clipped(result.name, 40), result)
    return list(found.values())


def _first(values: Sequence[float | None], *, largest: bool) -> int | None:
    known = [value for value in values if value is not None]
    return values.index((max if largest else min)(known)) if known else None


def _at(values: Sequence[float | None], index: int | None) -> float | None:
    return values[index] if index is not None and index < len(values) else None


def _difference(train: Sequence[float | None], held: Sequence[float | None], index: int | None) -> float | None:
    ahead, behind = _at(train, index), _at(held, index)
    return None if ahead is None or behind is None else ahead - behind


def _turning_point(held: Sequence[float | None], train: Sequence[float | None]) -> int | None:
    """The epoch (from 1) of the least held-out loss, where the rule calls what follows over-fitting."""
    least = _first(held, largest=False)
    if least is None or least + 1 >= len(held):
        return None
    start, end = held[least], held[-1]
    falls = _difference(train[-1:], [_at(train, least)], 0)
    risen = end is None or (start is not None and end > RISE * start)
    return least + 1 if risen and (falls is None or falls < 0) else None
