"""The result of a search: all its trials, the importance of its options, and the winner, refitted and scored once.

`result.json` is an `explorations.SearchResult`. The `value` of a trial is validation accuracy; a pruned trial has the
last that it reported, a failed one none.
"""

from pathlib import Path
from typing import cast

from msgspec import structs

from extract.errors import TransferBenchError
from extract.runtime.locks import Lock
from pipelines.search import storage
from pipelines.search.importance import Importance, importance
from pipelines.search.journal import FrozenTrial, Journal, TrialState
from pipelines.search.subject import Subject
from pipelines.workspace import records, stored
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.explorations import BestTrial, SearchResult, SearchTrial
from pipelines.workspace.schema import TOTAL, DoneRecord

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class SearchAnswer(SearchResult):
    """The result of a search, its folder, and the winner's answer; None where another process is to find it."""

    path: str
    answer: StageResult[DoneRecord] | None


def finished(folder: Path, journal: Journal, subject: Subject, context: Context) -> SearchAnswer:
    """The complete result; the winner is refitted through its stage, which the cache answers the second time.

    Raises `TransferBenchError` where no trial was completed; the result is written all the same.
    """
    with Lock(folder / "winner.lock"):
        found = _gathered(folder, journal, subject)
        if found["best"] is None:
            stored.write(folder / storage.RESULT, found)
            raise TransferBenchError(_without_winner(found))
        best = journal.trials()[found["best"]["number"]]
        answer = subject.settle(journal.options(best), context, journal.trial_folder(best))
        found["best_run"] = answer.record.run
        stored.write(folder / storage.RESULT, found)
        _charge(context.workspace, answer.record.run, found)
        journal.sweep(journal.trials(), but=None)
    return {**found, "path": str(folder), "answer": answer}


def unfinished(folder: Path, journal: Journal, subject: Subject) -> SearchAnswer:
    """The result so far, without a refitted winner, which another process is still going to find."""
    return {**_gathered(folder, journal, subject), "path": str(folder), "answer": None}


def best_of(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The completed trial of the highest accuracy; of equals the least log loss, then the first."""
    complete = [one for one in trials if one.state == TrialState.COMPLETE and one.value is not None]
    return min(complete, key=_rank, default=None)


def _rank(trial: FrozenTrial) -> tuple[float, float, int]:
    loss = trial.user_attrs.get("log_loss")
    return -float(trial.value or 0.0), float("inf") if loss is None else loss, trial.number


def _gathered(folder: Path, journal: Journal, subject: Subject) -> SearchResult:
    trials = journal.trials()
    best, listed = best_of(trials), [_listed(one, journal) for one in trials]
    before = stored.find(folder / storage.RESULT, SearchResult)
    if before is None or stored.finite(listed) != before["trials"]:
        found = importance(journal.study)  # seconds, with a slow import
    else:
        found = Importance(before["importance_note"], before["importance"], before["importance_spread"])
    return SearchResult(
        name=folder.name,
        subject=subject.what.removeprefix("the "),
        space=journal.space(),
        trials=listed,
        importance=found.shares,
        importance_spread=found.spread,
        importance_note=found.note,
        logarithmic=journal.logarithmic(),
        best=None
        if best is None
        else BestTrial(number=best.number, params=journal.options(best), value=float(best.value or 0.0)),
        best_run=None,
        seconds=sum(one.user_attrs.get("seconds", 0.0) for one in trials),
    )


def _listed(trial: FrozenTrial, journal: Journal) -> SearchTrial:
    facts = trial.user_attrs
    steps = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
    found = {
        "number": trial.number,
        "state": STATES[trial.state],
        "params": journal.options(trial),
        "value": None if trial.value is None else float(trial.value),
        "seconds": facts.get("seconds"),
        "step_values": steps or facts.get("steps", []),
        "error": facts.get("error"),
    }
    return cast(SearchTrial, found)


def _without_winner(found: SearchResult) -> str:
    errors = [one["error"] for one in found["trials"] if one["error"]]
    if not errors:
        return f"search {found['name']} must complete a trial before its time is out; got none. Give it more --timeout."
    count = len(found["trials"])
    return f"search {found['name']} must complete a trial; all of {count} failed, the first because: {errors[0]}"


def _charge(workspace: Path, run: str, found: SearchResult) -> None:
    """The winner's record says how its options were found, and what that cost."""
    record = records.done(workspace, run)
    seconds = {**record.seconds, "search": found["seconds"]}
    seconds = records.with_total(seconds) if TOTAL in seconds else seconds
    trials = sum(one["state"] in ("complete", "pruned") for one in found["trials"])
    choice = structs.replace(record.choice, criterion="accuracy", trials=trials)
    charged = structs.replace(record, seconds=seconds, search=found["name"], choice=choice)
    if charged != record:
        records.write(workspace, charged)
