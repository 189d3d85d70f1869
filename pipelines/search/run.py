"""A search from its first trial to its winner, in this process; others may work on the same search meanwhile."""

import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager

from extract.errors import CorruptFileError, InvalidInputError, StorageError, UnavailableError, reason
from extract.runtime import options
from extract.runtime.disk import storage_error
from extract.runtime.formats import written
from extract.runtime.locks import Patience
from pipelines.search import result, space, storage
from pipelines.search.build import build
from pipelines.search.journal import Journal, Trial, TrialState
from pipelines.search.result import SearchAnswer
from pipelines.search.search_file import SearchFile
from pipelines.search.subject import Params, Subject, TrialScore, Watch
from pipelines.specs.search import SearchSpec
from pipelines.studies.yaml_file import placed
from pipelines.workspace.context import Context

WAIT_SECONDS = 0.2  # between looks at trials that other processes still run


def search(subject: Subject, spec: SearchSpec, context: Context) -> SearchAnswer:
    """The result of the search (see `pipelines.search.result`), begun or continued, with the winner's scores.

    The test split is scored once, for the winner, after all trials have ended. Where the time is out while another
    process still runs a trial, the winner is left to that process and `best_run` is None.
    """
    begun = time.monotonic()
    found = check(subject, spec.entries) or check(subject, subject.default_space())
    definition = storage.Definition(subject.what, space.as_json(found), subject.key(), spec.seed)
    folder = storage.folder(context.workspace, definition, name=spec.name, label=subject.label)
    if not storage.is_begun(folder, definition):
        subject.check_rows({})
        _must_allow(subject, found, spec.entries, test=subject.check_rows)
        storage.begin(folder, definition)
    journal = Journal(folder, name=folder.name, space=found, seed=spec.seed, epochs=subject.epochs)
    deadline = None if spec.timeout is None else begun + spec.timeout
    in_time = _work(subject, journal, spec.trials, context, deadline=deadline)
    if not in_time and journal.others_run():
        context.notice("the time is out; another process still searches, and will refit and score the winner")
        return result.unfinished(folder, journal, subject)
    return result.finished(folder, journal, subject, context)


def check(subject: Subject, entries: object) -> space.Space:
    """The space that `entries` describe; an empty one for None, which stands for the subject's usual one.

    Raises `InvalidInputError` for an option, given or searched, that is not known or can never be right. Reads no data.
    """
    subject.check({})  # before a searched option is blamed for one that was given
    if entries is None:
        return {}
    found = space.parse(entries, what=subject.what, known=subject.known())
    _must_allow(subject, found, entries, test=subject.check)
    return found


def check_file(file: SearchFile, fixed: Mapping[str, object], context: Context) -> None:
    """Raises `InvalidInputError`, with its place, for a search that can never be run with the options `fixed`.

    Reads no data; a study without a search is right.
    """
    if file.section is None:
        return
    with placed(file.section):
        subject, spec = build(fixed, entries=file.entries, context=context)
        check(subject, None if file.entries is not None else subject.default_space())
    check(subject, spec.entries)


def _must_allow(subject: Subject, found: space.Space, entries: object, *, test: Callable[[Params], None]) -> None:
    """Refuses an option that is not known, or whose ends do not pass the `test`, at its place in `entries`."""
    keys = {space.option_name(key): key for key in entries} if isinstance(entries, Mapping) else {}
    for name, entry in found.items():
        with placed(keys.get(name)):
            options.known(name, subject.known(), what=f"option to search of {subject.what}")
            for value in entry.ends():
                try:
                    test({name: value})
                except InvalidInputError as error:
                    raise InvalidInputError(
                        f"search option {options.words(name)} must allow {written(value)}, "
                        f"which {subject.what} refuses: {error}"
                    ) from error


def _work(subject: Subject, journal: Journal, total: int, context: Context, *, deadline: float | None) -> bool:
    """Runs trials until `total` have ended, here or elsewhere; False where the time was out before."""
    patience = Patience("trials of this search", poll_seconds=WAIT_SECONDS)
    while not _is_late(deadline):
        trial = journal.next(total)
        if trial is not None:
            with context.job(f"trial {trial.number + 1}/{total}"):
                _run(trial, subject, journal, context, deadline=deadline)
            known = journal.trials()  # one that ends meanwhile elsewhere may be better
            best = result.best_of(known)
            journal.sweep(known, but=best.number if best else None)
            patience = Patience("trials of this search", poll_seconds=WAIT_SECONDS)
        elif journal.others_run():
            patience.step()
        elif not journal.trials(TrialState.RUNNING):
            return True
        ended = [one for one in journal.trials() if one.state.is_finished()]
        context.progress(len(ended), max(total, len(ended)), "trials")
    return False


def _run(trial: Trial, subject: Subject, journal: Journal, context: Context, *, deadline: float | None) -> None:
    """One trial, ended in the journal unless the time or the process ran out."""
    begun = time.monotonic()
    watch, verdict = _watched(trial, journal, subject, deadline=deadline)
    with _left(trial, journal):
        try:
            outcome = _outcome(trial, subject, journal, watch=watch, context=context)
        except Exception as error:
            if is_of_the_machine(error):
                raise
            message = reason(error)
            context.notice(f"trial {trial.number} failed: {message}")
            journal.end(trial, TrialState.FAIL, None, error=message, seconds=time.monotonic() - begun)
            return
        facts: dict[str, object] = {"seconds": time.monotonic() - begun}
        if outcome is not None:
            facts |= {"log_loss": outcome.log_loss, "steps": list(outcome.steps)}
            journal.end(trial, TrialState.COMPLETE, outcome.accuracy, **facts)
        elif verdict() == "hopeless":
            journal.end(trial, TrialState.PRUNED, None, **facts)
        else:
            journal.give_back(trial)


def is_of_the_machine(error: Exception) -> bool:
    """Whether an error comes from the machine and would have met any other trial too: it says nothing of this one.

    Everything else that a trial dies of is its result, and is recorded with its message.
    """
    if isinstance(error, OSError | MemoryError | StorageError | UnavailableError | CorruptFileError):
        return True
    return storage_error(error) is not None or type(error).__name__ == "AcceleratorError"  # torch's, of a lost GPU


def _outcome(trial: Trial, subject: Subject, journal: Journal, *, watch: Watch, context: Context) -> TrialScore | None:
    """What the trial was worth; None where it was stopped. The same parameters again are not tried again."""
    equal = journal.equal_trial(trial)
    if equal is not None and equal.value is not None:
        return TrialScore(equal.value, equal.user_attrs.get("log_loss"), tuple(equal.user_attrs.get("steps", ())))
    outcome = subject.score_trial(journal.options(trial), watch, context)
    if outcome is not None and not 0 <= outcome.accuracy <= 1:
        raise ArithmeticError(f"validation accuracy must be between 0 and 1; got {outcome.accuracy}")
    return outcome


def _watched(
    trial: Trial, journal: Journal, subject: Subject, *, deadline: float | None
) -> tuple[Watch, Callable[[], str]]:
    """The trial's `Watch`, and why it said stop: "hopeless", "late" or ""."""
    reasons, reported = [""], set(journal.trials()[trial.number].intermediate_values)

    def report(epoch: int, accuracy: float) -> None:
        if epoch not in reported:
            trial.report(accuracy, epoch)
            reported.add(epoch)
        if subject.epochs is not None and epoch < subject.epochs and trial.should_prune():
            reasons[0] = "hopeless"

    def stop() -> bool:
        if not reasons[0] and _is_late(deadline):
            reasons[0] = "late"
        return bool(reasons[0])

    return Watch(journal.trial_folder(trial), report, stop), lambda: reasons[0]


@contextmanager
def _left(trial: Trial, journal: Journal):
    """Frees the trial's lease whatever happens, so that an interrupted one can be taken over at once."""
    try:
        yield
    except BaseException:
        journal.give_back(trial)
        raise
    finally:
        journal.leave(trial)


def _is_late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
