"""Curves: learning by epoch, a search over one number, accuracy by labels, and the range test of learning rates."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from extract.errors import InvalidInputError
from finetune.recipes import Recipe
from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Spec
from pipelines.report.page.render import write_chart
from pipelines.report.study.diagnosis import Diagnosis, diagnose
from pipelines.workspace import writable
from pipelines.workspace.schema import DoneRecord, Options

QUANTITIES = {"accuracy": ("accuracy, %", 100.0), "loss": ("loss, nats", 1.0)}
AUGMENTING = ("mixup", "cutmix", "crop", "flip", "cutout", "color_jitter", "randaugment")  # options of recipes
# What a search is drawn against, and the hyperparameters whose values have lines of their own. All else in a row of the
# table was found, not searched. `images`: a kernel is scored on all of them once, after the search on some.
SEARCHED = {
    "C": (),
    "alpha": ("bandwidth", "images"),
    "neighbors": ("temperature",),
    "shrinkage": ("metric",),
    "learning_rate": ("weight_decay", "hidden", "batch_size", "copies"),
}
OF_RUN = (".svg", ".png")
OF_RANGE_TEST = (".svg", ".png", ".html", ".json")
CUT = "losses above the axis are cut off"
SIZE: Spec = {"width": theme.WIDTHS["half"], "height": theme.HEIGHTS["half"]}


def check(path: Path, kinds: Sequence[str]) -> None:
    """Raise `InvalidInputError` unless `path` ends in one of the `kinds` that can be drawn, and can be written."""
    writable.check("plot", path, stream=False, kinds=kinds)


def write_run(path: Path, record: DoneRecord, *, few_labels: Sequence[Options] = ()) -> None:
    """Write the picture of a run to `path`, SVG or PNG by its suffix.

    `few_labels` has one row per number of labels a class. Raises `InvalidInputError` for a run of which there is
    nothing to draw, and where nothing can be written.
    """
    check(path, OF_RUN)
    rows = [row for row in (_learning(record), _search(record), _few(few_labels, record)) if row is not None]
    if not rows:
        raise InvalidInputError(
            f"run must have curves, a search or few labels to be drawn; got {record.name} without validation. "
            "Give --validation a share, or add --shots."
        )
    write_chart(path, {"vconcat": rows, "title": record.name, "resolve": {"scale": {"color": "independent"}}})


def write_range_test(path: Path, *, rates: Sequence[float], losses: Sequence[float | None], suggested: float) -> None:
    """Write `range_test` to `path` (.svg, .png, .html, or .json)."""
    check(path, OF_RANGE_TEST)
    chart, is_cut = range_test(rates, losses, suggested)
    title = {"text": "Learning-rate range test", "subtitle": [CUT] if is_cut else []}
    write_chart(path, {**chart, "title": title, "width": theme.WIDTHS["wide"], "height": theme.HEIGHTS["wide"]})


def range_test(
    rates: Sequence[float], losses: Sequence[float | None], suggested: float, used: float | None = None
) -> tuple[Spec, bool]:
    """(loss over learning rate with the suggested rate marked, and the one that was `used`; whether some is cut off).

    The axis of losses fits the fall: what diverges far above the first loss is cut off.
    """
    values = [
        {"rate": rate, "loss": loss}
        for rate, loss in zip(rates, losses, strict=True)
        if loss is not None and isfinite(loss)
    ]
    finite = [one["loss"] for one in values]
    low, first = min(finite), finite[0]
    fall = (first - low) or abs(first) or 1.0
    domain = [low - 0.1 * fall, first + 0.4 * fall]
    across = vega.number("rate", "learning rate", log=[*rates, *([used] if used else [])], axis_format="~g")
    up = vega.number("loss", "smoothed training loss", domain=domain)
    layers = [vega.mark("line", values, {"clip": True, "strokeWidth": 2}, x=across, y=up)]
    marked = [("suggested", suggested, theme.GREEN), *([("recipe's", used, theme.MUTED)] if used else [])]
    left = min(rate for _, rate, _ in marked)  # where all names stand, clear of every line
    for place, (name, rate, color) in enumerate(marked):
        named = [{"rate": left, "name": f"{name}: {rate:.2g}"}]
        look: Spec = {"dx": -6, "dy": 4 + 16 * place, "align": "right", "baseline": "top", "fontWeight": 600}
        dashed: Spec = {"strokeDash": [4, 3], "color": color, "strokeWidth": 1.5}
        layers += [
            vega.mark("rule", [{"rate": rate}], dashed, x=vega.plain("rate")),
            vega.mark("text", named, {**look, "color": color}, x=across, y={"value": 0}, text=vega.words("name")),
        ]
    return {"layer": layers}, max(finite) > domain[1]


def by_epoch(record: DoneRecord, found: Diagnosis) -> dict[str, Spec]:
    """Lines of each quantity of which the record has two epochs or more: the kept epoch marked, over-fitting shaded."""
    points = {quantity: _points(record, quantity) for quantity in QUANTITIES}
    return {quantity: _lines(some, quantity, found) for quantity, some in points.items() if len(some) > 1}


def _points(record: DoneRecord, quantity: str) -> list[Datum]:
    """The values of a quantity, one for each part and epoch (from 1) where it is known."""
    factor, curves = QUANTITIES[quantity][1], record.curves
    return [
        {"epoch": epoch, "value": factor * value, "part": shown, "shown": f"{factor * value:.4g}"}
        for part, shown in _parts(record).items()
        for epoch, value in enumerate(curves.get(f"{part}_{quantity}", ()), start=1)
        if value is not None
    ]


def _parts(record: DoneRecord) -> dict[str, str]:
    """What each curve is called. Batches are augmented where the recipe of a network says so."""
    options = record.key.get("recipe_options")
    complete = {} if options is None else {**Recipe().as_dict(), **options}
    augments = any(complete.get(name) not in (None, 0, "none") for name in AUGMENTING)
    running = "running, on augmented batches" if augments else "running, in training mode"
    return {"training": "training", "running_training": running, "validation": "validation"}


def _lines(values: Sequence[Datum], quantity: str, found: Diagnosis) -> Spec:
    last = max(point["epoch"] for point in values)
    title = "epoch" if found.kept_epoch is None else f"epoch (kept: {found.kept_epoch})"
    looks = {"training": (theme.MUTED, [1, 0]), "validation": (theme.BLUE, [1, 0])}
    names = list(dict.fromkeys(point["part"] for point in values))
    colors, dashes = zip(*(looks.get(name, (theme.MUTED, [4, 3])) for name in names), strict=True)
    ticks, legend = min(max(last - 1, 1), 6), {"symbolType": "stroke"}
    lines = vega.mark(
        "line",
        values,
        {"strokeWidth": 2, "interpolate": "linear", "point": {"size": 16, "filled": True}},
        x=vega.number("epoch", title, domain=[1, max(last, 2)], axis_format="d", grid=False, ticks=ticks),
        y=vega.number("value", QUANTITIES[quantity][0]),
        color=vega.kinds("part", names, colors, legend=legend),
        strokeDash=vega.kinds("part", names, dashes, legend=legend),
        tooltip=[{**vega.plain("epoch"), "title": "Epoch"}, *vega.tip(("part", "Curve"), ("shown", "Value"))],
    )
    ends = [] if found.overfits_from is None else [{"from": found.overfits_from, "to": last}]
    shade = {"color": theme.VERMILLION, "opacity": 0.12}
    shaded = [vega.mark("rect", ends, shade, x=vega.plain("from"), x2={"field": "to"})] if ends else []
    return {"layer": [*shaded, *vega.rule("epoch", found.kept_epoch), lines]}


def _learning(record: DoneRecord) -> Spec | None:
    """Training and validation accuracy and loss an epoch, under what they say."""
    found = diagnose(record)
    panels = [{**chart, **SIZE} for chart in by_epoch(record, found).values()]
    return {"hconcat": panels, "title": found.sentence()} if panels else None


def _search(record: DoneRecord) -> Spec | None:
    """Validation log loss and accuracy of every candidate against the number that was searched."""
    table = record.choice.table or []
    name = next((one for one in SEARCHED if table and len({row.get(one) for row in table}) > 1), None)
    if name is None:
        return None
    apart = [option for option in SEARCHED[name] if len({str(row.get(option)) for row in table}) > 1]
    chosen = _chosen(table, record.chosen, (name, *SEARCHED[name]))
    quantities = (("log_loss", "validation loss, nats", 1.0), ("accuracy", "validation accuracy, %", 100.0))
    panels = []
    for quantity, title, factor in quantities:
        points = [
            {
                "at": row[name],
                "value": factor * row[quantity],
                "line": _line(row, apart),
                "rough": bool(row.get("rough")),
                "chosen": row is chosen,
            }
            for row in table
            if row[quantity] is not None
        ]
        panels += [_search_panel(points, name, title)] if points else []
    return {"hconcat": panels} if panels else None


def _chosen(table: Sequence[Options], chosen: Options, options: Sequence[str]) -> Options | None:
    """The candidate with the chosen values of `options`: the last of several, which was fitted to the most images."""
    same = [row for row in table if all(row.get(one) == chosen.get(one) for one in options if one in chosen)]
    return same[-1] if same else None


def _line(row: Options, apart: Sequence[str]) -> str:
    """What the line of a candidate is called. Only the trial of several copies has `copies`: others are one."""
    shown = {option: row.get(option, 1 if option == "copies" else None) for option in apart}
    return ", ".join(f"{option.replace('_', ' ')} {_written(value)}" for option, value in shown.items())


def _written(value: object) -> str:
    text = "-".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)
    return text or "none"


def _search_panel(points: list[Datum], name: str, quantity: str) -> Spec:
    """A line for each name, a ring around the chosen candidate; candidates not fitted to the end are hollow."""
    lines = list(dict.fromkeys(point["line"] for point in points))
    several = len(lines) > 1
    palette = theme.class_colors(len(lines)) if several else [theme.BLUE]
    color = vega.kinds("line", lines, palette, legend={"columns": 3} if several else None)
    values = [point["at"] for point in points]
    title, chosen = name.replace("_", " "), [point for point in points if point["chosen"]]
    if chosen:
        title += f" (ring: chosen, {chosen[0]['at']:.4g})"
    if any(point["rough"] for point in points):
        title += "; hollow: not fitted to the end"
    log = values if min(values) > 0 else []
    across = vega.number("at", title, log=log, axis_format="~g" if log else None, grid=False)
    base: Spec = {"x": across, "y": vega.number("value", quantity)}
    layers = vega.rule("at", chosen[0]["at"] if chosen else None)
    layers.append(vega.mark("line", points, {"strokeWidth": 2}, **base, color=color))
    for rough in (True, False):
        some = [point for point in points if point["rough"] == rough]
        look = {"size": 24, "opacity": 1, "strokeWidth": 1.5, "filled": not rough}
        look |= {"fill": theme.PAPER} if rough else {}
        layers += [vega.mark("point", some, look, **base, color=color)] if some else []
    ring = {"size": 150, "color": theme.GREEN, "strokeWidth": 2, "opacity": 1}
    layers += [vega.mark("point", chosen, ring, **base)] if chosen else []
    return {"layer": layers, **SIZE}


def _few(table: Sequence[Options], record: DoneRecord) -> Spec | None:
    """Accuracy against labels per class: the mean of the draws, their range, and the run with all labels."""
    if not table:
        return None
    points = [
        {
            "shots": row["labels_per_class"],
            "mean": 100 * row["mean"],
            "low": 100 * row["least"],
            "high": 100 * row["greatest"],
        }
        for row in table
    ]
    across = vega.number("shots", "labels per class", log=[point["shots"] for point in points], axis_format="~g")
    low, mean = (vega.number(name, "test accuracy, %") for name in ("low", "mean"))
    all_labels = [{"all": 100 * record.test.accuracy}]
    layers = [
        vega.mark("area", points, {"opacity": 0.2, "color": theme.BLUE}, x=across, y=low, y2={"field": "high"}),
        vega.mark("line", points, {"strokeWidth": 2, "color": theme.BLUE, "point": True}, x=across, y=mean),
        vega.mark("rule", all_labels, {"strokeDash": [4, 3], "color": theme.MUTED}, y=vega.plain("all")),
    ]
    return {"layer": layers, **SIZE, "title": "Few labels: mean and range of the draws; dashed: all labels"}
