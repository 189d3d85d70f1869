"""Runs below one another with an interval each: a point and its bar in every line."""

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from pipelines.report.page import theme


def chart(
    values: Sequence[dict[str, Any]], field: str, *, title: str, tips: Sequence[alt.Tooltip], zero: bool = False
) -> alt.LayerChart | alt.FacetChart:
    """A line for each of `values`, at its `label`: `field` with a bar from `low` to `high`, colored by `mode`.

    The axis is that of the bulk; an outlier is named at its edge by its value. `zero` marks zero.
    """
    domain = theme.bulk_domain([one[field] for one in values], [(one["low"], one["high"]) for one in values])
    if zero:
        room = 0.04 * (domain[1] - domain[0])
        domain = [min(domain[0], -room), max(domain[1], room)]
    modes = [value["mode"] for value in values]
    base = alt.Chart(theme.data(values)).encode(
        y=theme.lines("label"), color=theme.mode_color(modes), tooltip=list(tips)
    )
    whiskers = base.mark_rule(strokeWidth=2, opacity=0.55, clip=True)
    points = base.mark_point(filled=True, size=75, opacity=1, clip=True)
    layers = [
        whiskers.encode(x=theme.x("low", title, domain=domain), x2=alt.X2(field="high")),
        points.encode(x=theme.x(field, title, domain=domain), shape=theme.mode_shape(modes)),
        *_beyond(values, field, domain),
    ]
    if zero:
        mark = alt.Chart(theme.data([{field: 0}])).mark_rule(color=theme.MUTED, strokeDash=[4, 3])
        layers.insert(0, mark.encode(x=theme.x(field, title, domain=domain)))
    return alt.layer(*layers).properties(height=theme.list_height(len(values)))


def _beyond(values: Sequence[dict[str, Any]], field: str, domain: Sequence[float]) -> list[alt.Chart]:
    """The values beyond either end of the axis, written at that end with an arrow."""
    found = []
    ends: tuple[tuple[float, str, Literal["left", "right"]], ...] = (
        (domain[0], "← {:.1f}", "left"),
        (domain[1], "{:.1f} →", "right"),
    )
    for end, arrow, align in ends:
        beyond = [one for one in values if (one[field] < end if align == "left" else one[field] > end)]
        texts = [
            {"label": one["label"], "at": end, "text": arrow.format(one[field]).replace("-", "\u2212")}
            for one in beyond
        ]
        mark = alt.Chart(theme.data(texts)).mark_text(align=align, dx=4 if align == "left" else -4)
        text = alt.Text(field="text", type="nominal")
        found += (
            [mark.encode(x=alt.X(field="at", type="quantitative"), y=theme.lines("label"), text=text)] if texts else []
        )
    return found
