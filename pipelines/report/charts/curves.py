"""One run as a picture: learning curves, the search over one number, accuracy against labels per class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from extract.errors import InvalidInputError
from pipelines.report.charts import epochs
from pipelines.report.charts.epochs import Chart
from pipelines.report.page import static, theme
from pipelines.report.study.diagnosis import judge
from pipelines.workspace import writable

# What a search is drawn against, and the hyperparameters whose values have lines of their own. All else in a row of the
# table was found, not searched. `images`: a kernel is judged on all of them once, after the search on some.
SEARCHED = {
    "C": (),
    "alpha": ("bandwidth", "images"),
    "neighbors": ("temperature",),
    "shrinkage": ("metric",),
    "learning_rate": ("weight_decay", "hidden", "batch_size", "copies"),
}
SUFFIXES = (".svg", ".png")
SIZE = {"width": theme.WIDTHS["half"], "height": theme.HEIGHTS["half"]}


def write(path: Path, record: Mapping[str, Any], *, few_labels: Sequence[Mapping[str, Any]] = ()) -> None:
    """Writes the picture of a run to `path`, SVG or PNG by its suffix.

    `few_labels` has one row per number of labels a class. Raises `InvalidInputError` for another suffix, for a run of
    which there is nothing to draw, and where nothing can be written.
    """
    check(path)
    rows = [row for row in (_learning(record), _search(record), _few(few_labels, record)) if row is not None]
    if not rows:
        raise InvalidInputError(
            f"run must have curves, a search or few labels to be drawn; got {record['name']} without validation. "
            "Give --validation a share, or add --shots."
        )
    style = {**theme.config(), "background": theme.PAPER}
    chart = alt.vconcat(*rows, title=record["name"], config=style, padding=16).resolve_scale(color="independent")
    kind = path.suffix[1:].lower()
    writable.write("plot", path, static.drawn(chart, kind, scale=2 if kind == "png" else 1))


def check(path: Path) -> None:
    """Raises `InvalidInputError` unless `path` has a suffix that can be drawn, and can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInputError(f"plot must be a file named .svg or .png; got {str(path)!r}. Name one of those.")
    writable.check("plot", path)


def _learning(record: Mapping[str, Any]) -> alt.HConcatChart | None:
    """Training and validation accuracy and loss an epoch, under what they say."""
    verdict = judge(record)
    panels = [chart.properties(**SIZE) for chart in epochs.charts(record, verdict).values()]
    return alt.hconcat(*panels, title=verdict.sentence()) if panels else None


def _search(record: Mapping[str, Any]) -> alt.HConcatChart | None:
    """Validation log loss and accuracy of every candidate against the number that was searched."""
    table = (record["choice"] or {}).get("table") or []
    name = next((one for one in SEARCHED if table and len({row.get(one) for row in table}) > 1), None)
    if name is None:
        return None
    apart = [option for option in SEARCHED[name] if len({str(row.get(option)) for row in table}) > 1]
    chosen = _chosen(table, record["chosen"], (name, *SEARCHED[name]))
    panels = []
    for quantity, title, factor in (
        ("log_loss", "validation loss, nats", 1.0),
        ("accuracy", "validation accuracy, %", 100.0),
    ):
        points = [
            {
                "at": row[name],
                "value": factor * row[quantity],
                "line": _line(row, apart),
                "mark": "rough" if row.get("rough") else "fitted",
                "chosen": row is chosen,
            }
            for row in table
            if row[quantity] is not None
        ]
        if points:
            panels.append(_search_panel(points, (name, title)))
    return alt.hconcat(*panels) if panels else None


def _chosen(
    table: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any], options: Sequence[str]
) -> Mapping[str, Any] | None:
    """The candidate with the chosen values of `options`: the last of several, which was fitted to the most images."""
    same = [row for row in table if all(row.get(one) == chosen.get(one) for one in options if one in chosen)]
    return same[-1] if same else None


def _line(row: Mapping[str, Any], apart: Sequence[str]) -> str:
    """What the line of a candidate is called. Only the trial of several copies has `copies`: others are one."""
    shown = {option: row.get(option, 1 if option == "copies" else None) for option in apart}
    return ", ".join(f"{option.replace('_', ' ')} {_written(value)}" for option, value in shown.items())


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _search_panel(points: list[dict[str, Any]], titles: tuple[str, str]) -> Chart:
    """A line for each name, a ring around the chosen candidate; candidates not fitted to the end are hollow."""
    lines = list(dict.fromkeys(point["line"] for point in points))
    palette = [theme.CLASS_COLORS[i % 10] for i in range(len(lines))] if len(lines) > 1 else [theme.BLUE]
    color = alt.Color(
        field="line",
        type="nominal",
        scale=alt.Scale(domain=lines, range=palette),
        legend=alt.Legend(title=None, columns=3) if len(lines) > 1 else None,
    )
    values = [point["at"] for point in points]
    title, chosen = titles[0].replace("_", " "), [point for point in points if point["chosen"]]
    if chosen:
        title += f" (ring: chosen, {chosen[0]['at']:.4g})"
    if any(point["mark"] == "rough" for point in points):
        title += "; hollow: not fitted to the end"
    log = values if min(values) > 0 else []
    across = theme.x("at", title, log=log, axis_format="~g" if log else None, grid=False)
    up = theme.y("value", titles[1])
    layers = [alt.Chart(theme.data(points)).mark_line(strokeWidth=2).encode(x=across, y=up, color=color)]
    for kind in ("rough", "fitted"):
        some = [point for point in points if point["mark"] == kind]
        mark = alt.MarkDef(type="point", size=24, opacity=1, strokeWidth=1.5, filled=kind == "fitted")
        if kind == "rough":
            mark.fill = theme.PAPER
        dots = alt.Chart(theme.data(some), mark=mark)
        layers += [dots.encode(x=across, y=up, color=color)] if some else []
    ring = alt.Chart(theme.data(chosen)).mark_point(size=150, color=theme.GREEN, strokeWidth=2, opacity=1)
    layers += [ring.encode(x=across, y=up)] if chosen else []
    return alt.layer(*theme.rule("at", chosen[0]["at"] if chosen else None), *layers).properties(**SIZE)


def _few(table: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> Chart | None:
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
    across = theme.x("shots", "labels per class", log=[point["shots"] for point in points], axis_format="~g")
    base = alt.Chart(theme.data(points))
    title = "test accuracy, %"
    up = theme.y("low", title)
    band = base.mark_area(opacity=0.2, color=theme.BLUE).encode(x=across, y=up, y2=alt.Y2(field="high"))
    line = base.mark_line(strokeWidth=2, color=theme.BLUE, point=True).encode(x=across, y=theme.y("mean", title))
    whole = alt.Chart(theme.data([{"all": 100 * record["test"]["accuracy"]}]))
    rule = whole.mark_rule(strokeDash=[4, 3], color=theme.MUTED).encode(y=alt.Y(field="all", type="quantitative"))
    caption = "Few labels: mean and range of the draws; dashed: all labels"
    return alt.layer(band, line, rule).properties(**SIZE, title=caption)
