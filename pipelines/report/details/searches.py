"""Searches of the workspace: best so far, importance of each hyperparameter, parallel coordinates."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from extract.errors import CorruptFileError
from pipelines.report.charts import coordinates
from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Cell, Column, Figure, Figures, Section, Table
from pipelines.report.page.text import MISSING, clipped, duration, percent, plural
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study
from pipelines.workspace import naming, stored
from pipelines.workspace.answer_shapes import Found

SHOWN = 6
BEST = 5
ROUGH = "logistic head"  # its trials are paths of one C, which are judged roughly (`heads.logistic.logistic`)
STATES = {"complete": theme.BLUE, "pruned": theme.GOLD, "failed": theme.VERMILLION, "running": theme.MUTED}


def section(study: Study) -> Section | None:
    """Every search that left a result in the workspace; None without one."""
    blocks: list[Block] = []
    found = _results(study)[:SHOWN]
    for place, (search, title) in enumerate(zip(found, _titles(found), strict=True), start=1):
        blocks += _blocks(search, place, title, study)
    if not blocks:
        return None
    return Section(
        "search",
        "Search",
        "Each trial is judged on validation images; the test split is scored once, for the winner. Pruned trials were "
        "stopped early because they were behind others at the same epoch; some might have caught up.",
        blocks,
    )


def _results(study: Study) -> list[dict[str, Any]]:
    """The readable results; one that a filter of runs left without its winner is left out too."""
    runs = {result.run for result in study.results}
    found = []
    for path in sorted((study.workspace / "searches").glob("*/result.json")):
        try:
            search = stored.read(path, Found, thing="result of a search", remedy="It is left out; search again.")
        except CorruptFileError as error:
            study.problems.append(str(error))
            continue
        if search["best_run"] is None or search["best_run"] in runs:
            found.append(search)
    return found


def _titles(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the searches, without the digest of their spaces where they differ without it."""
    short = [re.sub("-[0-9a-f]{12}$", "", search["name"]) for search in found]
    titles = [one if short.count(one) == 1 else search["name"] for one, search in zip(short, found, strict=True)]
    return [clipped(title, 60) for title in titles]


def _blocks(search: dict[str, Any], place: int, title: str, study: Study) -> list[Block]:
    winner = next((row for row in study.rows if search["best_run"] in {one.run for one in row.results}), None)
    data = naming.data([winner.best.record]) if winner else ""
    figures = [_progress(search, place, title)] if _valued(search["trials"]) else []
    if search["importance"]:
        figures.append(_importance(search, place, title))
    figures = [replace(one, data=data) for one in figures]
    parallel = coordinates.figure(
        _valued(search["trials"]),
        logarithmic=search["logarithmic"],
        name=f"search-parallel-{place}",
        title=title,
    )
    blocks: list[Block] = [Figures(figures)] if figures else []
    blocks += [replace(parallel, data=data)] if parallel else []
    table = _table(search, title, winner)
    return [*blocks, table] if table else blocks


def _valued(trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [trial for trial in trials if trial["value"] is not None]


def _progress(search: Mapping[str, Any], place: int, title: str) -> Figure:
    points, line, best = [], [], None
    for trial in _valued(search["trials"]):
        value = 100 * trial["value"]
        points.append(
            {
                "trial": trial["number"],
                "value": value,
                "state": trial["state"] if trial["state"] in STATES else "running",
                "shown": f"{value:.2f} %",
                "params": clipped(described(trial["params"]), 200),
            }
        )
        if trial["state"] == "complete" and (best is None or value > best):
            best = value
        if best is not None:
            line.append({"trial": trial["number"], "value": best})
    caption = f"{plural(len(search['trials']), 'trial')}. The line is the best completed so far."
    if not search["importance"]:
        note = search["importance_note"]
        caption += f" {note[:1].upper()}{note[1:]}."
    values = [point["value"] for point in points]
    domain = theme.bulk_domain(values, [(value, value) for value in values])
    beyond = [point for point in points if not domain[0] <= point["value"] <= domain[1]]
    if beyond:
        told = ", ".join(f"trial {point['trial']} at {point['shown']}" for point in beyond)
        caption += f" Beyond the axis: {told}."
    rough = search["subject"] == ROUGH
    caption += " Hollow: each C is fitted to a first look only, not to the end." if rough else ""
    chart = _progress_chart(points, line, domain, filled=not rough)
    return Figure(f"search-progress-{place}", f"{title}: best so far", caption, chart, shape="half")


def _progress_chart(
    points: list[dict[str, Any]], line: list[dict[str, Any]], domain: Sequence[float], *, filled: bool
) -> alt.LayerChart | alt.FacetChart:
    states = [state for state in STATES if any(point["state"] == state for point in points)]
    ends = [points[0]["trial"] - 0.5, points[-1]["trial"] + 0.5]
    across = theme.x("trial", "trial", domain=ends, axis_format="d", grid=False, ticks=min(len(points), 6))
    up = theme.y("value", "validation accuracy, %", domain=domain)
    so_far = alt.Chart(theme.data(line)).mark_line(
        interpolate="step-after", color=theme.GREEN, strokeWidth=2, clip=True
    )
    dots = (
        alt.Chart(theme.data(points))
        .mark_point(filled=filled, size=50, clip=True)
        .encode(
            x=across,
            y=up,
            color=alt.Color(
                field="state",
                type="nominal",
                scale=alt.Scale(domain=states, range=[STATES[state] for state in states]),
                legend=alt.Legend(title=None),
            ),
            tooltip=[
                alt.Tooltip(field="trial", type="quantitative", title="Trial"),
                *theme.tip(("state", "State"), ("shown", "Validation"), ("params", "With")),
            ],
        )
    )
    return alt.layer(so_far.encode(x=across, y=up), dots)


def _importance(search: Mapping[str, Any], place: int, title: str) -> Figure:
    shares, spread = search["importance"], search["importance_spread"]
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])[:15]
    values = [
        {
            "option": clipped(name, 40),
            "share": 100 * share,
            "low": 100 * low,
            "high": 100 * high,
            "shown": f"{percent(share)} ({percent(low)} to {percent(high)})",
        }
        for name, share in ordered
        for low, high in [spread[name]]
    ]
    base = alt.Chart(theme.data(values)).encode(
        y=alt.Y(field="option", type="nominal", title=None, sort=None, axis=alt.Axis(labelLimit=180, grid=False)),
        tooltip=theme.tip(("option", "Hyperparameter"), ("shown", "Importance")),
    )
    bars = base.mark_bar(color=theme.BLUE, height={"band": 0.68}).encode(x=theme.x("share", "importance, %", zero=True))
    whiskers = base.mark_rule(color=theme.INK, strokeWidth=1.5).encode(
        x=theme.x("low", "importance, %", zero=True), x2=alt.X2(field="high")
    )
    caption = (
        f"{search['importance_note']}: by a random forest's estimate, how much of the variation of validation accuracy "
        "over the space each hyperparameter explains alone, scaled to sum to 100 %. Lines: least and greatest of 20 "
        "forests, each on trials drawn with replacement."
    )
    return Figure(
        f"search-importance-{place}", f"{title}: what mattered", caption, alt.layer(bars, whiskers), shape="half"
    )


def _table(search: Mapping[str, Any], title: str, winner: Row | None) -> Table | None:
    complete = [trial for trial in _valued(search["trials"]) if trial["state"] == "complete"]
    complete.sort(key=lambda trial: (-trial["value"], trial["number"]))
    if not complete:
        return None
    rows = [
        [
            Cell(str(trial["number"]), trial["number"]),
            Cell(f"{100 * trial['value']:.2f}", trial["value"]),
            Cell(MISSING if trial["seconds"] is None else duration(trial["seconds"]), trial["seconds"]),
            Cell(described(trial["params"]), described(trial["params"])),
        ]
        for trial in complete[:BEST]
    ]
    columns = [Column("Trial"), Column("Validation, %"), Column("Time"), Column("Hyperparameters", numeric=False)]
    best, run = (search["best"] or {}).get("number"), search["best_run"]
    ran = f" The winner, trial {best}, refitted and scored, is run {run}, #{winner.number}." if winner else ""
    return Table(f"The best trials of {title}.{ran}", columns, rows, sorted_by=1)


def described(params: Mapping[str, Any]) -> str:
    """Hyperparameters in a line."""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()
    )
