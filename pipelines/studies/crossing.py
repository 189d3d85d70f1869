"""One entry of a study's jobs: every combination of its values and of the defaults that hold for it."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from extract.errors import InvalidInputError
from pipelines.specs.data import with_data_dir
from pipelines.studies.defaults import Given
from pipelines.studies.jobs import Job, has, make, options
from pipelines.studies.nodes import Tree

WORKSPACE = Path("workspace")  # the command line's
MOST_JOBS = 20_000  # above this a list is a slip of the pen, and planning would take minutes


@dataclass(frozen=True)
class Outside:
    """What jobs take from outside of the file.

    `fallback` (option -> value) holds for jobs whose study leaves the option out; weights may be a run of the
    `workspace`; `data_dirs` (data set -> directory) for jobs that name no directory.
    """

    fallback: Mapping[str, Any] = field(default_factory=dict)
    workspace: Path = WORKSPACE
    data_dirs: Mapping[str, str] = field(default_factory=dict)


NOTHING = Outside()


@dataclass
class Crossing:
    """The values that an entry gives itself (`own`), and the `defaults` of its command. `used` are defaults that hold.

    A default holds for the jobs whose head, network and mode have the option; an entry's own option must.
    """

    tree: Tree
    entry: yaml.Node
    command: str
    defaults: Given
    own: Given
    outside: Outside
    used: set[str] = field(default_factory=set)

    def jobs(self) -> Iterator[tuple[Job, "Place"]]:
        """Every job with its place; a default that not all of them have makes some twice.

        Raises `InvalidInputError` with the place of a mistake.
        """
        lists = {**self.defaults, **self.own}
        count = math.prod(len(values) for _, values in lists.values())
        if count > MOST_JOBS:
            raise self.tree.refuse(
                self.entry, f"study must have at most {MOST_JOBS} jobs; this entry alone has {count}."
            )
        for values in itertools.product(*(values for _, values in lists.values())):
            yield from self._made(dict(zip(lists, values, strict=True)))

    def _made(self, given: dict[str, Any]) -> Iterator[tuple[Job, "Place"]]:
        base = {name: value for name, value in self.outside.fallback.items() if name in options(self.command)}
        held = {name for name in self.defaults if has(self.command, name, {**base, **given})}
        self.used |= held
        whole = {**base, **{name: value for name, value in given.items() if name in self.own or name in held}}
        place = Place(self, whole)
        try:
            for job in self.made(whole):
                yield job, place
        except InvalidInputError as error:
            raise InvalidInputError(f"{place.of_mistake()}: {error}") from error

    def made(self, given: Mapping[str, Any]) -> list[Job]:
        """The jobs with the options `given`."""
        placed = with_data_dir(given, self.outside.data_dirs)
        return make(self.command, placed, workspace=self.outside.workspace)


@dataclass(frozen=True)
class Place:
    """Where a job with the options `given` stands in its study."""

    crossing: Crossing
    given: Mapping[str, Any]

    def of_mistake(self, check: Callable[[Job], object] = lambda job: None) -> str:
        """`file:line:column` of the default without which the job could be made and checked, else of its entry."""
        one = self.crossing
        for name in one.defaults:
            if name in one.own or name not in self.given:
                continue
            try:
                for job in one.made({other: value for other, value in self.given.items() if other != name}):
                    check(job)
            except InvalidInputError:
                continue
            return one.tree.place(one.defaults[name][0])
        return one.tree.place(one.entry)
