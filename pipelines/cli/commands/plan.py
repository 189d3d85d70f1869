"""The plan of a study as a table: what is there, what would be computed, and what that would take."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from extract.runtime.formats import duration, plural, size
from pipelines.cli.options import shared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table

if TYPE_CHECKING:
    from pipelines.specs import ExtractSpec
    from pipelines.studies.estimate import Estimator
    from pipelines.studies.jobs import Job
    from pipelines.studies.plan import Plan, Planned

FIRST = "extracted first"
PLAN: list[TableColumn[Values]] = [
    TableColumn("job", lambda line: line["job"], shrinks=True),
    TableColumn("state", lambda line: _state(line)),
    TableColumn("time", lambda line: duration(line["seconds"]), right=True),
    TableColumn("by", lambda line: line["basis"] or "", drop=1),
    TableColumn("disk", lambda line: size(line["bytes"]), right=True, drop=2),
]


def show_plan(run: shared.Invocation, study: str, planned: "Plan", *, seconds: float, then: Sequence[str] = ()) -> None:
    """The plan: what is there, what would be computed, and what that would take. To plan took `seconds`, as it will.

    `then` says what comes besides.
    """
    from pipelines.studies.estimate import PROCESS_SECONDS, Estimator
    from pipelines.studies.plan import Planned

    listed = [Planned(job, "missing", reason=FIRST) for job in planned.implied()] + list(planned.jobs)
    estimator = Estimator(run.workspace, device=run.device, jobs=[one.job for one in listed])
    names = labels([one.job for one in listed])
    lines = [_line(one, name, estimator) for one, name in zip(listed, names, strict=True)]
    counts = {state: len(planned.of(state)) for state in ("cached", "missing", "impossible")}
    totals = {key: sum(line[key] or 0 for line in lines) for key in ("seconds", "bytes")}
    totals = {**totals, "seconds": totals["seconds"] + PROCESS_SECONDS + seconds}
    values = {"study": study, "jobs": len(planned.jobs), **counts, **totals, "plan": lines}
    values["notes"] = _notes([one.job for one in planned.jobs])
    first = len(listed) - len(planned.jobs)
    total = (
        f"{plural(len(planned.jobs), 'job')}: {counts['cached']} cached, {counts['missing']} to run, "
        f"{counts['impossible']} impossible{f'; first: {first}' if first else ''}; "
        f"about {duration(totals['seconds'])} one after another, {size(totals['bytes'])} on disk"
    )
    reasons = [f"{line['job']}: {line['note']}" for line in lines if line["note"] not in ("", FIRST)]
    values["then"] = list(then)
    run.reporter.result(values, [*table(PLAN, lines), *reasons, *values["notes"], total, *then])


def _state(line: Values) -> str:
    if line["note"] == FIRST:
        return "to run first"
    return "to run" if line["state"] == "missing" else line["state"]


def _line(planned: "Planned", name: str, estimator: "Estimator") -> Values:
    cost = estimator.of(planned.job) if planned.state == "missing" else None
    return {
        "job": name,
        "command": planned.job.command,
        "state": planned.state,
        "note": planned.reason,
        "seconds": cost and cost.seconds,
        "basis": cost and cost.basis,
        "bytes": cost and cost.byte_count,
    }


def labels(jobs: Sequence["Job"]) -> list[str]:
    """A label for each job: its name, and the options in which it differs from others of that name.

    An option that features and head share stands once where both have the same value.
    """
    named: dict[str, list[Values]] = {}
    for job in jobs:
        named.setdefault(job.name, []).append(_flat(job))
    found = []
    for job in jobs:
        shown: dict[str, str] = {}
        for name, value in _flat(job).items():
            part, _, option = name.partition(".")
            varies = len({repr(one.get(name)) for one in named[job.name]}) > 1
            text = _option(option, value) if varies else ""
            if text:
                shown[option] = f"{shown[option]}, {text} of the {part}" if shown.get(option, text) != text else text
        found.append(f"{job.name} ({', '.join(shown.values())})" if shown else job.name)
    return found


def _flat(job: "Job") -> Values:
    return {f"{part}.{name}": value for part, spec in job.specs().items() for name, value in spec.items()}


def _option(name: str, value: object) -> str:
    """An option as one would say it; nothing for one that was left out."""
    words = name.replace("_", " ")
    if value is None or value == ():
        return ""
    if name == "validation" and value == "none":
        return "no validation"
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if not isinstance(value, tuple):
        return f"{words} {value}"
    # `option` holds further ones of a head, each NAME=VALUE.
    return ", ".join(value) if name == "option" else f"{words} {','.join(map(str, value))}"


def _notes(jobs: Sequence["Job"]) -> list[str]:
    """Remarks on the jobs of a plan: features that are extracted anew for every seed."""
    drawn: dict[ExtractSpec, set[int]] = {}
    for job in jobs:
        if job.features is not None and job.features.sampled:
            drawn.setdefault(dataclasses.replace(job.features, seed=0), set()).add(job.features.seed)
    several = [spec for spec, seeds in drawn.items() if len(seeds) > 1]
    if not several:
        return []
    count = sum(len(drawn[spec]) for spec in several)
    test = any("test" in spec.sampled for spec in several)
    return [
        f"`seed` draws the subset{' and the test images' if test else ''} anew: {count} extractions instead of "
        f"{len(several)}{', and runs with different seeds are not compared in pairs' if test else ''}. "
        "`seeds: N` of fit-head repeats the heads alone, on the same images."
    ]
