"""Learning curves as a chart: training and validation values an epoch, the epoch that counts, over-fitting shaded."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from pipelines.report import theme

PARTS = {"training": "training", "running_training": "running", "validation": "validation"}
QUANTITIES = {"loss": ("loss, nats", 1.0), "accuracy": ("accuracy, %", 100.0)}
Chart = alt.LayerChart | alt.FacetChart  # altair says that layering may give either


def points(curves: Mapping[str, Sequence[float | None]], quantity: str) -> list[dict[str, Any]]:
    """The values of a quantity of `QUANTITIES`, one for each part and epoch (from 1) where it is known."""
    factor = QUANTITIES[quantity][1]
    return [
        {"epoch": epoch, "value": factor * value, "part": shown, "shown": f"{factor * value:.4g}"}
        for part, shown in PARTS.items()
        for epoch, value in enumerate(curves.get(f"{part}_{quantity}", ()), start=1)
        if value is not None
    ]


def chart(
    values: Sequence[Mapping[str, Any]],
    quantity: str,
    *,
    best_epoch: int | None = None,
    overfits_from: int | None = None,
    title: str = "epoch",
) -> Chart:
    """Lines through `values` (see `points`), a rule at the best epoch, shading where over-fitting begins."""
    last = max(point["epoch"] for point in values)
    ticks = min(max(last - 1, 1), 6)
    lines = (
        alt.Chart(theme.data(values))
        .mark_line(strokeWidth=2, interpolate="linear", point=alt.OverlayMarkDef(size=16, filled=True))
        .encode(
            x=theme.x("epoch", title, domain=[1, max(last, 2)], axis_format="d", grid=False, ticks=ticks),
            y=theme.y("value", QUANTITIES[quantity][0]),
            color=alt.Color(
                field="part",
                type="nominal",
                scale=alt.Scale(domain=list(PARTS.values()), range=[theme.MUTED, theme.MUTED, theme.BLUE]),
                legend=alt.Legend(title=None),
            ),
            tooltip=[
                alt.Tooltip(field="epoch", type="quantitative", title="Epoch"),
                *theme.tip(("part", "Curve"), ("shown", "Value")),
            ],
        )
    )
    return alt.layer(*_shaded(overfits_from, last), *theme.rule("epoch", best_epoch), lines)


def _shaded(start: int | None, end: int) -> list[alt.Chart]:
    if start is None:
        return []
    area = alt.Chart(theme.data([{"from": start, "to": end}])).mark_rect(color=theme.VERMILLION, opacity=0.12)
    return [area.encode(x=alt.X(field="from", type="quantitative"), x2=alt.X2(field="to"))]
