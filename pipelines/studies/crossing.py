"""One entry of a study's jobs: every combination of its values and of the defaults that hold for it."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from extract.errors import InvalidInput
from pipelines.specs.known import with_data_dir
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

    def jobs(self) -> Iterator[Job]:
        """Every job; a default that not all of them have makes some twice. Raises `InvalidInput` with the place."""
        lists = {**self.defaults, **self.own}
        count = math.prod(len(values) for _, values in lists.values())
        if count > MOST_JOBS:
            raise self.tree.refuse(
                self.entry, f"study must have at most {MOST_JOBS} jobs; this entry alone has {count}."
            )
        for values in itertools.product(*(values for _, values in lists.values())):
            yield from self._made(dict(zip(lists, values, strict=True)))

    def _made(self, given: dict[str, Any]) -> list[Job]:
        base = {name: value for name, value in self.outside.fallback.items() if name in options(self.command)}
        held = {name for name in self.defaults if has(self.command, name, {**base, **given})}
        self.used |= held
        given = {name: value for name, value in given.items() if name in self.own or name in held}
        try:
            return self._make({**base, **given})
        except InvalidInput as error:
            raise self.tree.refuse(self._culprit(base, given), str(error)) from error

    def _make(self, given: Mapping[str, Any]) -> list[Job]:
        placed = with_data_dir(given, self.outside.data_dirs)
        return make(self.command, placed, workspace=self.outside.workspace)

    def _culprit(self, base: dict[str, Any], given: dict[str, Any]) -> yaml.Node:
        """Where the mistake stands: at the default without which there would be none, else at the entry."""
        for name in given.keys() - self.own.keys():
            try:
                self._make({**base, **{one: value for one, value in given.items() if one != name}})
            except InvalidInput:
                continue
            return self.defaults[name][0]
        return self.entry
