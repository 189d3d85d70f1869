"""Runs below one another with an interval each: a point and its bar in every line."""

from collections.abc import Sequence

from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Spec


def chart(
    values: Sequence[Datum],
    field: str,
    *,
    title: str,
    tips: Sequence[Spec],
    zero: bool = False,
    look: Spec | None = None,
) -> Spec:
    """A line for each of `values`, at its `label`: `field` with a bar from `low` to `high`, colored by `mode`.

    `look` are channels `color` and `shape` in place of those of modes. The axis is that of the bulk; an outlier is
    named at its edge by its value. `zero` marks zero.
    """
    domain = vega.bulk_domain([one[field] for one in values], [(one["low"], one["high"]) for one in values])
    if zero:
        room = 0.04 * (domain[1] - domain[0])
        domain = [min(domain[0], -room), max(domain[1], room)]
    look = look or vega.modes([value["mode"] for value in values])
    line, at = vega.lines("label"), vega.number(field, title, domain=domain)
    base = {"y": line, "color": look["color"], "tooltip": list(tips)}
    low, high = vega.number("low", title, domain=domain), {"field": "high"}
    bars: Spec = {"strokeWidth": 2, "opacity": 0.55, "clip": True}
    dots: Spec = {"filled": True, "size": 75, "opacity": 1, "clip": True}
    layers = [
        vega.mark("rule", values, bars, **base, x=low, x2=high),
        vega.mark("point", values, dots, **base, x=at, shape=look["shape"]),
        *_beyond(values, field, domain),
    ]
    if zero:
        layers.insert(0, vega.mark("rule", [{field: 0}], {"color": theme.MUTED, "strokeDash": [4, 3]}, x=at))
    return {"layer": layers, "height": vega.list_height(len(values))}


def _beyond(values: Sequence[Datum], field: str, domain: Sequence[float]) -> list[Spec]:
    """The values beyond either end of the axis, written at that end with an arrow."""
    found = []
    for end, arrow, align in ((domain[0], "← {:.1f}", "left"), (domain[1], "{:.1f} →", "right")):
        texts = [
            {"label": one["label"], "at": end, "text": arrow.format(one[field]).replace("-", "\u2212")}
            for one in values
            if (one[field] < end if align == "left" else one[field] > end)
        ]
        look: Spec = {"align": align, "dx": 4 if align == "left" else -4}
        channels = {"x": vega.plain("at"), "y": vega.lines("label"), "text": vega.words("text")}
        found += [vega.mark("text", texts, look, **channels)] if texts else []
    return found
