"""One entry of a study's jobs: every combination of its values and of the defaults that hold for it."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from extract.errors import InvalidInputError
from extract.runtime.options import words
from pipelines.specs.data import with_data_dir
from pipelines.studies.jobs import Job, has, make, options
from pipelines.studies.option_section import OptionValues
from pipelines.studies.yaml_file import refusal

WORKSPACE = Path("workspace")  # the command line's
MOST_JOBS = 20_000  # above this a list is a slip of the pen, and planning would take minutes


@dataclass(frozen=True)
class Environment:
    """Options of jobs from outside of the file.

    `fallback` (option -> value) holds for jobs whose study leaves the option out; weights may be a run of the
    `workspace`; `data_dirs` (data set -> directory) for jobs that name no directory. `runs` (digest of a training ->
    run) are the trainings of `weights` that are done.
    """

    fallback: Mapping[str, object] = field(default_factory=dict)
    workspace: Path = WORKSPACE
    data_dirs: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)


ALONE = Environment()


@dataclass(frozen=True)
class JobEntry:
    """The values that an entry gives itself (`own`), and the `defaults` of its command.

    A default holds for the jobs whose head, network and mode have the option; an entry's own option must. `trainings`
    are jobs, each in its place, that `weights` stand for by their digests until they are runs.
    """

    place: str
    command: str
    own: Mapping[str, OptionValues]
    defaults: Mapping[str, OptionValues]
    environment: Environment
    trainings: Mapping[Job, "JobPlace"] = field(default_factory=dict)

    def jobs(self) -> Iterator[tuple[Job, "JobPlace"]]:
        """Every job with its place; a default that not all of them have makes some twice.

        Raises `InvalidInputError` with the place of a mistake.
        """
        lists = {name: found.values for name, found in {**self.defaults, **self.own}.items()}
        count = math.prod(map(len, lists.values()))
        if count > MOST_JOBS:
            raise refusal(self.place, f"study must have at most {MOST_JOBS} jobs; this entry alone has {count}.")
        for values in itertools.product(*lists.values()):
            place = JobPlace(self, self._holding(self._begun(dict(zip(lists, values, strict=True)))))
            try:
                for job in self.made(place.options):
                    yield job, place
            except InvalidInputError as error:
                raise refusal(place.of_mistake(error), error) from error

    def _begun(self, raw: dict[str, object]) -> dict[str, object]:
        """The options with the network that a training makes, where they begin with its weights and name none."""
        trained = {job.digest(): job.network for job in self.trainings}.get(str(raw.get("weights")))
        option = "network" if self.command == "finetune" else "backbone"
        return raw if trained is None or raw.get(option) else {**raw, option: trained.network}

    def _holding(self, raw: Mapping[str, object]) -> dict[str, object]:
        """The options without the defaults that the head, network or mode has not, over those from outside."""
        known = options(self.command)
        base = {name: value for name, value in self.environment.fallback.items() if name in known}
        every = {**base, **raw}
        held = {name: value for name, value in raw.items() if name in self.own or has(self.command, name, every)}
        return {**base, **held}

    def made(self, options: Mapping[str, object]) -> list[Job]:
        """The jobs with these options."""
        placed = with_data_dir(options, self.environment.data_dirs)
        if (run := self.environment.runs.get(str(placed.get("weights")))) is not None:
            placed = {**placed, "weights": run}
        return make(self.command, placed, workspace=self.environment.workspace)


@dataclass(frozen=True)
class JobPlace:
    """The place of a job with these options in its study."""

    entry: JobEntry
    options: Mapping[str, object]

    def of_mistake(self, error: InvalidInputError, check: Callable[[Job], object] = lambda job: None) -> str:
        """`file:line:column` of the option without which the job could be made and checked, else of its entry.

        Of several it is one that the `error` names, or else a default.
        """
        written = {**self.entry.defaults, **self.entry.own}
        names = [name for name in written if name in self.options]
        names.sort(key=lambda name: (words(name) not in str(error), name in self.entry.own))
        for name in names:
            try:
                for job in self.entry.made({one: value for one, value in self.options.items() if one != name}):
                    check(job)
            except InvalidInputError:
                continue
            return written[name].place
        return self.entry.place
