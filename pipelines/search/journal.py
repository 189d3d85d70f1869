"""The trials of a search on disk, shared by every process that searches: leases of running ones, results of others.

`journal.log` is Optuna's journal in checked lines (`journal_file`): a trial is drawn in one line, and ends in one. Two
things stand beside it. A process draws, takes over and ends trials only while it holds `trials.lock`, so that numbers
are distinct and the total is exact. And while it runs a trial it holds that trial's lease, a lock that the system drops
when the process dies: a running trial whose lease is free was abandoned, and the next process that asks takes it over,
under its own number and with its own parameters.
"""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from extract.errors import CorruptFileError, StorageError
from extract.runtime.locks import Lock
from extract.runtime.options import Value
from pipelines.search.journal_file import REMEDY, JournalFile
from pipelines.search.space import Choices, Range, Space
from pipelines.workspace import stored
from pipelines.workspace.explorations import SearchRange

STARTUP_TRIALS = 8  # drawn at random before the model of good parameters begins to choose
ATTEMPTS = 10  # a trial that outlived so many processes kills them: it counts as failed


class Journal:
    """The trials of the search in `folder`.

    `epochs` is the length of a complete trial where trials report every epoch; hopeless ones are then pruned by
    successive halving (Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020): at a ninth
    and a third of the budget the best third goes on, but not after one epoch, which says little. None prunes nothing.
    """

    def __init__(self, folder: Path, *, name: str, space: Space, seed: int, epochs: int | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._folder, self._space, self._seed = folder.resolve(), space, seed
        self._distributions = {option: _distribution(entry) for option, entry in space.items()}
        self._lease: Lock | None = None
        (self._folder / "leases").mkdir(parents=True, exist_ok=True)
        path = self._folder / "journal.log"
        self._lines = JournalFile(path)
        with self._locked():
            self.study = optuna.create_study(
                study_name=name,
                storage=_storage(self._lines, path),
                direction="maximize",
                load_if_exists=True,
                pruner=_pruner(epochs),
            )

    def next(self, total: int) -> Trial | None:
        """A trial for this process to run: an abandoned one, or a new one while there are fewer than `total`."""
        with self._locked():
            for frozen in self.trials(TrialState.RUNNING):
                if self._take(frozen.number) and (trial := self._taken_over(frozen)) is not None:
                    return trial
            number = len(self.trials())
            if number >= total:
                return None
            self._take(number)
            return self._drawn(number)

    def end(self, trial: Trial, state: TrialState, value: float | None, **facts: object) -> None:
        """Records the end of a trial, with facts about it, and frees its lease."""
        with self._locked():
            with self._lines.one_line():
                for name, fact in facts.items():
                    trial.set_user_attr(name, fact)
                self.study.tell(trial, value, state)
            self.leave(trial)

    def give_back(self, trial: Trial) -> None:
        """Does not count the present attempt: it ended in good order, which says nothing about the trial.

        A trial that has ended stays as it is.
        """
        with contextlib.suppress(OSError, StorageError), self._locked():  # a full disk may be why it ended
            if self.trials()[trial.number].state.is_finished():
                return
            trial.set_user_attr("attempts", max(trial.user_attrs.get("attempts", 1) - 1, 0))

    def leave(self, trial: Trial) -> None:
        """Frees the lease of a trial that this process stops running; unended, it is taken over by the next."""
        if self._lease is not None:
            self._lease.free()
            self._lease = None
        if self.trials()[trial.number].state.is_finished():
            self._lease_path(trial.number).unlink(missing_ok=True)

    def others_run(self) -> bool:
        """True where another process runs a trial just now."""
        with self._locked():
            return any(not self._is_free(frozen.number) for frozen in self.trials(TrialState.RUNNING))

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in these states (none: in any), by number."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def trial_folder(self, trial: Trial | FrozenTrial) -> Path:
        """The folder in which a trial keeps what it needs to go on."""
        return self._folder / "trials" / str(trial.number)

    def sweep(self, trials: Iterable[FrozenTrial], *, but: int | None) -> None:
        """Removes the folders of those of the `trials` that had ended, except that of the number `but`."""
        for one in trials:
            if one.state.is_finished() and one.number != but:
                shutil.rmtree(self.trial_folder(one), ignore_errors=True)  # another process may just do it, too

    def options(self, trial: Trial | FrozenTrial) -> dict[str, Value]:
        """option -> value of a trial, as the spec takes them."""
        return {
            name: entry.value(trial.params[name]) if isinstance(entry, Choices) else trial.params[name]
            for name, entry in self._space.items()
            if name in trial.params
        }

    def space(self) -> dict[str, SearchRange | list[object]]:
        """What is searched, as a result keeps it."""
        entries = self._space.items()
        return {
            name: SearchRange(low=one.low, high=one.high, log=one.log) if isinstance(one, Range) else list(one.values)
            for name, one in entries
        }

    def logarithmic(self) -> list[str]:
        """The options that are drawn on a logarithmic scale."""
        return [option for option, one in self._distributions.items() if getattr(one, "log", False)]

    def equal_trial(self, trial: Trial) -> FrozenTrial | None:
        """An earlier trial of the very same parameters that was completed."""
        return next((one for one in self.trials(TrialState.COMPLETE) if one.params == trial.params), None)

    def _drawn(self, number: int) -> Trial:
        """Each number has its own seed: processes never draw alike, and a killed search goes on as it would have."""
        self._reseed(number)
        with self._lines.one_line():
            trial = self.study.ask(self._distributions)
            trial.set_user_attr("attempts", 1)
        return trial

    def _taken_over(self, frozen: FrozenTrial) -> Trial | None:
        self._reseed(frozen.number)
        trial = Trial(self.study, frozen._trial_id)
        attempts = frozen.user_attrs.get("attempts", 0) + 1
        if attempts > ATTEMPTS:
            with self._lines.one_line():
                trial.set_user_attr("error", f"the process that ran it ended early {ATTEMPTS} times")
                self.study.tell(trial, state=TrialState.FAIL)
            self.leave(trial)
            return None
        trial.set_user_attr("attempts", attempts)
        return trial

    def _reseed(self, number: int) -> None:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed)

    def _take(self, number: int) -> bool:
        """True where this process now holds the lease of a trial."""
        lease = Lock(self._lease_path(number))
        if lease.take(within=0.0):
            self._lease = lease
        return self._lease is lease

    def _is_free(self, number: int) -> bool:
        lease = Lock(self._lease_path(number))
        is_free = lease.take(within=0.0)
        lease.free()
        return is_free

    def _lease_path(self, number: int) -> Path:
        return self._folder / "leases" / f"{number}.lock"

    def _locked(self) -> Lock:
        return Lock(self._folder / "trials.lock")


def _storage(lines: JournalFile, path: Path) -> JournalStorage:
    try:
        return JournalStorage(lines)
    except CorruptFileError:
        raise
    except (ValueError, KeyError, AssertionError) as error:  # complete lines, but of something else
        raise stored.damaged(path, f"{error}", thing="journal of the search", remedy=REMEDY) from error


def _distribution(entry: Range | Choices) -> BaseDistribution:
    if isinstance(entry, Choices):
        return CategoricalDistribution(entry.labels)
    high = entry.high
    if entry.step is not None:  # the last value that a step reaches, as Optuna demands
        high = entry.low + entry.step * int((entry.high - entry.low) / entry.step + 1e-9)
    if entry.integer:
        return IntDistribution(int(entry.low), int(high), log=entry.log, step=int(entry.step or 1))
    return FloatDistribution(float(entry.low), float(high), log=entry.log, step=entry.step)


def _pruner(epochs: int | None) -> optuna.pruners.BasePruner:
    if epochs is None:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(2, epochs // 9), reduction_factor=3)
