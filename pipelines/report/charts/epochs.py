"""Learning curves as charts: training, running and validation values an epoch, the kept epoch, over-fitting shaded."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from finetune.recipes import Recipe
from pipelines.report.page import theme
from pipelines.report.study.diagnosis import Verdict

QUANTITIES = {"accuracy": ("accuracy, %", 100.0), "loss": ("loss, nats", 1.0)}
AUGMENTING = ("mixup", "cutmix", "crop", "flip", "cutout", "color_jitter", "randaugment")  # options of recipes
Chart = alt.LayerChart | alt.FacetChart  # altair says that layering may give either


def charts(record: Mapping[str, Any], verdict: Verdict) -> dict[str, Chart]:
    """A chart for each quantity of `QUANTITIES` of which the record has curves of two epochs or more."""
    found = {quantity: _points(record, quantity) for quantity in QUANTITIES}
    return {quantity: _chart(points, quantity, verdict) for quantity, points in found.items() if len(points) > 1}


def _points(record: Mapping[str, Any], quantity: str) -> list[dict[str, Any]]:
    """The values of a quantity, one for each part and epoch (from 1) where it is known."""
    factor, curves = QUANTITIES[quantity][1], record["curves"]
    return [
        {"epoch": epoch, "value": factor * value, "part": shown, "shown": f"{factor * value:.4g}"}
        for part, shown in _parts(record).items()
        for epoch, value in enumerate(curves.get(f"{part}_{quantity}", ()), start=1)
        if value is not None
    ]


def _parts(record: Mapping[str, Any]) -> dict[str, str]:
    """What each curve is called. Batches are augmented where the recipe of a network says so."""
    options = record.get("key", {}).get("recipe_options")
    whole = {} if options is None else {**Recipe().as_dict(), **options}
    augments = any(whole.get(name) not in (None, 0, "none") for name in AUGMENTING)
    running = "running, on augmented batches" if augments else "running, in training mode"
    return {"training": "training", "running_training": running, "validation": "validation"}


def _chart(values: Sequence[Mapping[str, Any]], quantity: str, verdict: Verdict) -> Chart:
    """Lines through `values`, a rule at the kept epoch, shading where over-fitting begins."""
    last = max(point["epoch"] for point in values)
    ticks = min(max(last - 1, 1), 6)
    title = "epoch" if verdict.kept_epoch is None else f"epoch (kept: {verdict.kept_epoch})"
    looks = {"training": (theme.MUTED, [1, 0]), "validation": (theme.BLUE, [1, 0])}
    names = list(dict.fromkeys(point["part"] for point in values))
    colors, dashes = zip(*(looks.get(name, (theme.MUTED, [4, 3])) for name in names), strict=True)
    lines = (
        alt.Chart(theme.data(values))
        .mark_line(strokeWidth=2, interpolate="linear", point=alt.OverlayMarkDef(size=16, filled=True))
        .encode(
            x=theme.x("epoch", title, domain=[1, max(last, 2)], axis_format="d", grid=False, ticks=ticks),
            y=theme.y("value", QUANTITIES[quantity][0]),
            color=alt.Color(
                field="part",
                type="nominal",
                scale=alt.Scale(domain=names, range=list(colors)),
                legend=alt.Legend(title=None, symbolType="stroke"),
            ),
            strokeDash=alt.StrokeDash(
                field="part",
                type="nominal",
                scale=alt.Scale(domain=names, range=list(dashes)),
                legend=alt.Legend(title=None, symbolType="stroke"),
            ),
            tooltip=[
                alt.Tooltip(field="epoch", type="quantitative", title="Epoch"),
                *theme.tip(("part", "Curve"), ("shown", "Value")),
            ],
        )
    )
    return alt.layer(*_shaded(verdict.overfits_from, last), *theme.rule("epoch", verdict.kept_epoch), lines)


def _shaded(start: int | None, end: int) -> list[alt.Chart]:
    if start is None:
        return []
    area = alt.Chart(theme.data([{"from": start, "to": end}])).mark_rect(color=theme.VERMILLION, opacity=0.12)
    return [area.encode(x=alt.X(field="from", type="quantitative"), x2=alt.X2(field="to"))]
