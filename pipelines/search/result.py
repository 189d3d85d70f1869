"""How a search ended: all its trials, what mattered, and the winner, refitted and scored once.

`result.json`: name, subject, trials [{number, state, params, value, seconds, step_values, error}], importance
{option: share}, importance_spread {option: [least, greatest]}, importance_note, logarithmic [option], best {number,
params, value}, best_run, seconds (of all trials). `value` is validation accuracy; a pruned trial has the last that it
reported, a failed one none.
"""

from pathlib import Path
from typing import Any

from extract.errors import CorruptFileError, TransferBenchError
from extract.runtime.locks import Lock
from pipelines.search import storage
from pipelines.search.importance import importance
from pipelines.search.journal import FrozenTrial, Journal, TrialState
from pipelines.search.subject import Subject
from pipelines.workspace import records, stored
from pipelines.workspace.answer_shapes import Found
from pipelines.workspace.context import Context

IMPORTANCE = ("importance", "importance_spread", "importance_note")
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def settled(folder: Path, journal: Journal, subject: Subject, context: Context) -> dict[str, Any]:
    """The whole result; the winner is refitted through its stage, which the cache answers the second time.

    Raises `TransferBenchError` where no trial was completed; the result is written all the same.
    """
    with Lock(folder / "winner.lock"):
        found = _gathered(folder, journal, subject)
        if found["best"] is None:
            _write(folder, found)
            raise TransferBenchError(_without_winner(found))
        best = journal.trials()[found["best"]["number"]]
        answer = subject.settle(journal.options(best), context, journal.trial_folder(best))
        found["best_run"] = answer.record.run
        _write(folder, found)
        _charge(context.workspace, answer.record.run, folder=folder, found=found)
        journal.sweep(but=None)
    return {**found, "path": str(folder), "answer": answer}


def partial(folder: Path, journal: Journal, subject: Subject) -> dict[str, Any]:
    """The result so far, without a refitted winner, which another process is still going to find."""
    found = _gathered(folder, journal, subject)
    return {**found, "path": str(folder), "answer": None}


def best_of(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The completed trial of the highest accuracy; of equals the least log loss, then the first."""
    complete = [one for one in trials if one.state == TrialState.COMPLETE and one.value is not None]
    return min(complete, key=_rank, default=None)


def _rank(trial: FrozenTrial) -> tuple[float, float, int]:
    loss = trial.user_attrs.get("log_loss")
    return -float(trial.value or 0.0), float("inf") if loss is None else loss, trial.number


def _gathered(folder: Path, journal: Journal, subject: Subject) -> dict[str, Any]:
    trials = journal.trials()
    best = best_of(trials)
    told = [_told(one, journal) for one in trials]
    before = _before(folder)
    same = stored.finite(told) == before.get("trials")
    return {
        "name": folder.name,
        "subject": subject.what.removeprefix("the "),
        "trials": told,
        **({key: before[key] for key in IMPORTANCE} if same else _importance(journal)),
        "logarithmic": journal.logarithmic(),
        "best": None if best is None else _named(best, journal),
        "best_run": None,
        "seconds": sum(one.user_attrs.get("seconds", 0.0) for one in trials),
    }


def _importance(journal: Journal) -> dict[str, Any]:
    """What mattered, by the keys of `IMPORTANCE`."""
    found = importance(journal.study)  # seconds, with a slow import
    return dict(zip(IMPORTANCE, (found.shares, found.spread, found.note), strict=True))


def _before(folder: Path) -> dict[str, Any]:
    """The result as it was last written; empty where there is none that can be read."""
    try:
        return stored.read(folder / storage.RESULT, Found, thing="result of a search", remedy="It is gathered again.")
    except CorruptFileError:
        return {}


def _told(trial: FrozenTrial, journal: Journal) -> dict[str, Any]:
    steps = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
    return {
        "number": trial.number,
        "state": STATES[trial.state],
        "params": journal.options(trial),
        "value": None if trial.value is None else float(trial.value),
        "seconds": trial.user_attrs.get("seconds"),
        "step_values": steps or trial.user_attrs.get("steps", []),
        "error": trial.user_attrs.get("error"),
    }


def _named(trial: FrozenTrial, journal: Journal) -> dict[str, Any]:
    return {"number": trial.number, "params": journal.options(trial), "value": trial.value}


def _without_winner(found: dict[str, Any]) -> str:
    errors = [one["error"] for one in found["trials"] if one["error"]]
    if not errors:
        return f"search {found['name']} must complete a trial before its time is out; got none. Give it more --timeout."
    count = len(found["trials"])
    return f"search {found['name']} must complete a trial; all of {count} failed, the first because: {errors[0]}"


def _write(folder: Path, found: dict[str, Any]) -> None:
    stored.write(folder / storage.RESULT, found)


def _charge(workspace: Path, run: str, *, folder: Path, found: dict[str, Any]) -> None:
    """The winner's record says how its options were found, and what that cost."""
    record = records.read(workspace, run)
    seconds = {**record["seconds"], "search": found["seconds"]}
    seconds = records.with_total(seconds) if records.TOTAL in seconds else seconds
    judged = sum(one["state"] in ("complete", "pruned") for one in found["trials"])
    choice = {**record["choice"], "criterion": "accuracy", "trials": judged}
    charged = {**record, "seconds": seconds, "search": folder.name, "choice": choice}
    if charged != record:
        records.write(workspace, charged)
