"""Searches of the workspace: best so far, importance of each hyperparameter, parallel coordinates."""

import re
from collections.abc import Sequence
from dataclasses import replace

from extract.errors import CorruptFileError
from extract.runtime.formats import duration, percent, plural, written
from pipelines.report.charts import coordinates, vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import (
    Block,
    Column,
    Datum,
    Figure,
    Section,
    Spec,
    Table,
    numbers,
    side_by_side,
    words,
)
from pipelines.report.page.text import clipped, points
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study
from pipelines.workspace import naming, stored
from pipelines.workspace.explorations import SearchResult, SearchTrial, best_trials

SHOWN = 6
BEST = 5
ROUGH = "logistic head"  # its trials are paths of one C, which are scored roughly (`heads.logistic.head`)
STATES = {"complete": theme.BLUE, "pruned": theme.GOLD, "failed": theme.VERMILLION, "running": theme.MUTED}


def section(study: Study) -> Section:
    """Every search that left a result in the workspace."""
    every = results(study)
    found = every[:SHOWN]
    more = f" The first {SHOWN} of {len(every)} searches by name." if len(every) > SHOWN else ""
    named = enumerate(zip(found, _titles(found), strict=True), start=1)
    return Section(
        "search",
        "Search",
        "Each trial is scored on validation images; the test split is scored once, for the winner. Pruned trials were "
        "stopped early because they were behind others at the same epoch; some might have caught up." + more,
        [part for place, (search, title) in named for part in _parts(search, place, title, study)],
    )


def results(study: Study) -> list[SearchResult]:
    """The readable results; one that a filter of runs left without its winner is left out too."""
    runs = {result.run for result in study.results}
    found = []
    for path in sorted((study.workspace / "searches").glob("*/result.json")):
        try:
            search = stored.read(path, SearchResult, thing="result of a search", remedy="It is left out; search again.")
        except CorruptFileError as error:
            study.problems.append(str(error))
            continue
        if search["best_run"] is None or search["best_run"] in runs:
            found.append(search)
    return found


def _titles(found: Sequence[SearchResult]) -> list[str]:
    """The names of the searches, without the digest of their spaces where they differ without it."""
    short = [re.sub("-[0-9a-f]{12}$", "", search["name"]) for search in found]
    titles = [one if short.count(one) == 1 else search["name"] for one, search in zip(short, found, strict=True)]
    return [clipped(title, 60) for title in titles]


def _parts(search: SearchResult, place: int, title: str, study: Study) -> list[Block | None]:
    winner = study.row_of(search["best_run"])
    data = naming.data([winner.best]) if winner else ""
    valued = [trial for trial in search["trials"] if trial["value"] is not None]
    figures = [_progress(search, place, title)] if valued else []
    figures += [_importance(search, place, title)] if search["importance"] else []
    parallel = coordinates.figure(
        valued, logarithmic=search["logarithmic"], name=f"search-parallel-{place}", title=title
    )
    return [
        side_by_side(replace(one, data=data) for one in figures),
        parallel and replace(parallel, data=data),
        _table(search, title, winner),
    ]


def _progress(search: SearchResult, place: int, title: str) -> Figure:
    values = [
        {
            "trial": trial["number"],
            "value": 100 * trial["value"],
            "state": trial["state"] if trial["state"] in STATES else "running",
            "shown": f"{100 * trial['value']:.2f} %",
            "params": clipped(written(trial["params"], 3), 200),
        }
        for trial in search["trials"]
        if trial["value"] is not None
    ]
    line: list[Datum] = []
    for one in values:
        known = [before["value"] for before in line[-1:]] + [one["value"]] * (one["state"] == "complete")
        line += [{"trial": one["trial"], "value": max(known)}] if known else []
    caption = f"{plural(len(search['trials']), 'trial')}. The line is the best completed so far."
    if not search["importance"]:
        note = search["importance_note"]
        caption += f" {note[:1].upper()}{note[1:]}."
    domain = vega.bulk_domain([one["value"] for one in values])
    beyond = [one for one in values if not domain[0] <= one["value"] <= domain[1]]
    if beyond:
        caption += f" Beyond the axis: {', '.join('trial {trial} at {shown}'.format(**one) for one in beyond)}."
    rough = search["subject"] == ROUGH
    caption += " Hollow: each C is fitted to a first look only, not to the end." if rough else ""
    chart = _progress_chart(values, line, domain, filled=not rough)
    return Figure(f"search-progress-{place}", f"{title}: best so far", caption, chart, shape="half")


def _progress_chart(points: list[Datum], line: list[Datum], domain: Sequence[float], *, filled: bool) -> Spec:
    states = [state for state in STATES if any(point["state"] == state for point in points)]
    ends = [points[0]["trial"] - 0.5, points[-1]["trial"] + 0.5]
    base: Spec = {
        "x": vega.number("trial", "trial", domain=ends, axis_format="d", grid=False, ticks=min(len(points), 6)),
        "y": vega.number("value", "validation accuracy, %", domain=domain),
    }
    step: Spec = {"interpolate": "step-after", "color": theme.GREEN, "strokeWidth": 2, "clip": True}
    color = vega.kinds("state", states, [STATES[state] for state in states], legend={})
    tips = vega.tip(("state", "State"), ("shown", "Validation"), ("params", "With"))
    tooltip = [{**vega.plain("trial"), "title": "Trial"}, *tips]
    look: Spec = {"filled": filled, "size": 50, "clip": True}
    dots = vega.mark("point", points, look, **base, color=color, tooltip=tooltip)
    return {"layer": [vega.mark("line", line, step, **base), dots]}


def _importance(search: SearchResult, place: int, title: str) -> Figure:
    spread = search["importance_spread"]
    ordered = sorted(search["importance"].items(), key=lambda pair: -pair[1])[:15]
    values = [
        {
            "option": clipped(name, 40),
            "share": 100 * share,
            "low": 100 * low,
            "high": 100 * high,
            "shown": f"{percent(share, 1)} ({percent(low, 1)} to {percent(high, 1)})",
        }
        for name, share in ordered
        for low, high in [spread[name]]
    ]
    tooltip = vega.tip(("option", "Hyperparameter"), ("shown", "Importance"))
    base: Spec = {"y": vega.lines("option", limit=180), "tooltip": tooltip}
    share, low = (vega.number(name, "importance, %", zero=True) for name in ("share", "low"))
    bars = vega.mark("bar", values, {"color": theme.BLUE, "height": {"band": 0.68}}, **base, x=share)
    whiskers = vega.mark("rule", values, {"color": theme.INK, "strokeWidth": 1.5}, **base, x=low, x2={"field": "high"})
    caption = (
        f"{search['importance_note']}: by a random forest's estimate, how much of the variation of validation accuracy "
        "over the space each hyperparameter explains alone, scaled to sum to 100 %. Lines: least and greatest of 20 "
        "forests, each on trials drawn with replacement."
    )
    chart: Spec = {"layer": [bars, whiskers]}
    return Figure(f"search-importance-{place}", f"{title}: what mattered", caption, chart, shape="half")


def _table(search: SearchResult, title: str, winner: Row | None) -> Table | None:
    complete = best_trials(search)
    if not complete:
        return None
    columns: list[Column[SearchTrial]] = [
        numbers("Trial", lambda trial: trial["number"]),
        numbers("Validation, %", lambda trial: trial["value"], lambda value: points(value, 2)),
        numbers("Time", lambda trial: trial["seconds"], duration),
        words("Hyperparameters", lambda trial: written(trial["params"], 3)),
    ]
    best, caption = search["best"], f"The best trials of {title}."
    if best and winner:
        run = f"run {search['best_run']}, #{winner.number}"
        caption += f" The winner, trial {best['number']}, refitted and scored, is {run}."
    return Table(caption, columns, complete[:BEST], sorted_by=1)
