"""The study file: many runs described once, as a list of commands whose options may be lists to be crossed.

    name: heads on digits
    defaults: {dataset: digits, image-size: 64}     # for every job whose command knows the option
    jobs:
      - command: fit-head                           # 2 backbones x 2 heads = 4 jobs on 2 shared extractions
        backbone: [tf_efficientnet_lite0, test_resnet]
        head: [logistic, mlp]
      - command: train
        network: resnet20
        epochs: 5

Option names are those of the command line, with hyphens or underscores.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from extract.errors import InvalidInputError, unknown
from pipelines.specs.data import home
from pipelines.studies import nodes
from pipelines.studies.crossing import MOST_JOBS, NOTHING, Crossing, Outside, Place
from pipelines.studies.defaults import Defaults, Given, given, option, searched
from pipelines.studies.jobs import COMMANDS, Job, options

SECTIONS = ("name", "description", "defaults", "jobs", "search")
SHIPPED = Path(__file__).parent
NO_JOBS = "{name}: study must have jobs; it has none. List commands under `jobs:`."


@dataclass(frozen=True)
class Study:
    """A study: its distinct jobs in the order of the file, and the search as plain values, which others read.

    `places` says where the first entry that means a job stands.
    """

    name: str
    description: str
    jobs: tuple[Job, ...]
    search: Any = None
    places: Mapping[Job, Place] = field(default_factory=dict, repr=False, compare=False)

    def must_have_jobs(self) -> None:
        """Raises `InvalidInputError` for a study that only describes a search."""
        if not self.jobs:
            raise InvalidInputError(NO_JOBS.format(name=self.name))


def find(name: str) -> Path:
    """The study file at `name`, or the shipped one of that name; InvalidInputError with the nearest otherwise."""
    path = Path(home(name))
    if os.path.isfile(path):
        return path
    known = shipped()
    if path.name == name and path.stem in known:
        return SHIPPED / f"{path.stem}.yaml"
    raise unknown("study", name=name, known=known, remedy="A path of a YAML file works too.")


def shipped() -> list[str]:
    """The names of the studies that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def read(path: Path, outside: Outside = NOTHING) -> Study:
    """The study of a file.

    Raises `InvalidInputError` with file, line and column for whatever is wrong, names the nearest to a misspelt key.
    """
    return _study(nodes.read(path), stem=path.stem, outside=outside)


def parse(text: str, outside: Outside = NOTHING, *, name: str = "study.yaml") -> Study:
    """The study of a YAML text, as `read` reads it from a file."""
    return _study(nodes.parse(text, name=name), stem=Path(name).stem, outside=outside)


def _study(tree: nodes.Tree, *, stem: str, outside: Outside) -> Study:
    sections = _sections(tree)
    if "jobs" not in sections and "search" not in sections:
        raise InvalidInputError(NO_JOBS.format(name=tree.name))
    defaults = Defaults(tree, sections.get("defaults"))
    places: dict[Job, Place] = {}
    if "jobs" in sections:
        also = _searched(sections.get("search"))
        places = _jobs(tree, sections["jobs"], defaults=defaults, also=also, outside=outside)
    return Study(
        name=(tree.text(sections["name"], "name") if "name" in sections else "") or stem,
        description=tree.text(sections["description"], "description") if "description" in sections else "",
        jobs=tuple(places),
        places=places,
        search=tree.plain(sections["search"]) if "search" in sections else None,
    )


def _sections(tree: nodes.Tree) -> dict[str, yaml.Node]:
    if tree.root is None:
        raise InvalidInputError(f"{tree.name}: study must have jobs; the file is empty. List commands under `jobs:`.")
    pairs = tree.items(tree.root, "study")
    for key, _ in pairs:
        tree.known(key, SECTIONS, what="section of a study")
    return {key.value: value for key, value in pairs}


def _searched(node: yaml.Node | None) -> set[str]:
    """The command whose options a study's search has, to which defaults may apply as well."""
    if not isinstance(node, yaml.MappingNode):
        return set()
    return {searched({option(key): value.value for key, value in node.value if isinstance(key, yaml.ScalarNode)})}


def _jobs(
    tree: nodes.Tree, node: yaml.Node, *, defaults: Defaults, also: set[str], outside: Outside
) -> dict[Job, Place]:
    """The distinct jobs in order, each with the place of the first entry that means it."""
    entries = tree.sequence(node, "jobs")
    if not entries:
        raise tree.refuse(node, "study must have jobs; the list is empty. Add an entry with a command.")
    jobs: dict[Job, Place] = {}
    used = {name for command in also for name in options(command)}
    for entry in entries:
        command, own = _entry(tree, entry)
        crossing = Crossing(tree, entry, command, defaults.of(command), own, outside)
        for job, place in crossing.jobs():
            jobs.setdefault(job, place)
        used |= crossing.used
        if len(jobs) > MOST_JOBS:
            raise tree.refuse(entry, f"study must have at most {MOST_JOBS} jobs; got {len(jobs)}. Shorten its lists.")
    defaults.must_apply(used)
    return jobs


def _entry(tree: nodes.Tree, entry: yaml.Node) -> tuple[str, Given]:
    pairs = tree.items(entry, "job")
    command = next((value for key, value in pairs if key.value == "command"), None)
    if command is None:
        raise tree.refuse(entry, f"job must have a command; got none. Known: {', '.join(COMMANDS)}.")
    name = tree.text(command, "command")
    if name not in COMMANDS:
        raise tree.refuse(command, str(unknown("command", name=name, known=COMMANDS)))
    return name, given(tree, [pair for pair in pairs if pair[0].value != "command"], name)
