"""The loss around one trained network, on a plane through its weights, where it was asked for."""

from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Figure, Section, Spec
from pipelines.report.study.study import Study
from pipelines.tasks.explain import IMAGES, SIDE, KeptLandscape
from pipelines.workspace.schema import DoneRecord

CEILING = 6.0  # times the loss at the network: what lies above is drawn as that, or the valley would have no color left


def section(study: Study) -> Section:
    """The landscape around the network that the report was asked for."""
    return Section(
        "loss-landscape",
        "Loss landscape",
        f"The mean loss of {IMAGES} images of the training split, validation images included, on one plane through the "
        "weights: two random directions, each filter as long as the network's own (Li et al., 2018). The cross is the "
        "network. Other directions give other pictures, and nothing here measures how easy training is.",
        [_figure(study, *study.landscape)] if study.landscape is not None else [],
    )


def _figure(study: Study, result: DoneRecord, found: KeptLandscape) -> Figure:
    steps, half = found["steps"], (found["steps"][1] - found["steps"][0]) / 2
    middle = found["loss"][SIDE // 2][SIDE // 2] or 0.0
    top = CEILING * max(middle, 0.3)
    values = [
        {
            "left": across - half,
            "right": across + half,
            "bottom": along - half,
            "top": along + half,
            "loss": top if loss is None else min(loss, top),
            "shown": "not finite" if loss is None else f"{loss:.4g}",
        }
        for across, losses in zip(steps, found["loss"], strict=True)
        for along, loss in zip(steps, losses, strict=True)
    ]
    edge = [steps[0] - half, steps[-1] + half]
    legend = {"title": "loss, nats", "gradientLength": 180}
    cells = vega.mark(
        "rect",
        values,
        {"stroke": None},
        x=vega.number("left", "first direction, filter norms", domain=edge, grid=False),
        x2={"field": "right"},
        y=vega.number("bottom", "second direction, filter norms", domain=edge, grid=False),
        y2={"field": "top"},
        color={**vega.plain("loss"), "scale": {"scheme": "cividis", "reverse": True}, "legend": legend},
        tooltip=vega.tip(("shown", "Loss, nats")),
    )
    look: Spec = {"shape": "cross", "size": 90, "filled": True, "color": theme.VERMILLION}
    cross = vega.mark("point", [{"left": 0, "bottom": 0}], look, x=vega.plain("left"), y=vega.plain("bottom"))
    caption = f"Loss {middle:.3g} at the network; above {top:.3g} the color stays the same."
    short = next(row.short for row in study.rows if result.run in {one.run for one in row.results})
    return vega.of_run(result, "loss-landscape", f"Around {short}", caption, {"layer": [cells, cross]})
