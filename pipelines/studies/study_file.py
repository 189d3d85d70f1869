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
      - command: finetune                           # of a training that is done before
        weights: {command: train, network: resnet20, dataset: cifar100}
    search: {network: resnet20, trials: 10}         # as `pipeline search` takes it
    ablation: {base: ..., changes: ...}             # as `pipeline ablate` takes it
    report: My heads                                # the title of the page, and of the slides

Option names are those of the command line, with hyphens or underscores.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from extract.errors import InvalidInputError, unknown
from pipelines.specs.data import home
from pipelines.studies import yaml_file
from pipelines.studies.crossing import ALONE, MOST_JOBS, Environment, JobEntry, JobPlace
from pipelines.studies.jobs import COMMANDS, ELSEWHERE, Job, options
from pipelines.studies.option_section import OptionSection, OptionValues, searched_command
from pipelines.studies.yaml_file import (
    YamlList,
    YamlMap,
    YamlText,
    YamlValue,
    mapping,
    refusal,
    shown,
    structured,
)

SHIPPED = Path(__file__).parent


class Sections(msgspec.Struct, forbid_unknown_fields=True):
    """The sections of a study file."""

    name: YamlText | None = None
    description: YamlText | None = None
    defaults: YamlMap | None = None
    jobs: YamlList | None = None
    search: object = None
    ablation: YamlMap | None = None
    report: YamlText | None = None


@dataclass(frozen=True)
class StudyJobs:
    """The distinct jobs of a study in the order of the file; `places` says where the first entry of each stands.

    Which further `sections` it has of search, ablation and report; of the last, the `title`.
    """

    name: str
    description: str
    jobs: tuple[Job, ...]
    places: Mapping[Job, JobPlace] = field(default_factory=dict, repr=False, compare=False)
    sections: frozenset[str] = frozenset()
    title: str = ""

    def only(self, words: Sequence[str]) -> "StudyJobs":
        """The study with the jobs that `words` name; all where there are no words."""
        return replace(self, jobs=tuple(job for job in self.jobs if named(job.name, words)))

    @property
    def first(self) -> dict[Job, JobPlace]:
        """The trainings, each in its place, whose weights jobs begin with and that are no runs yet."""
        awaited = {job.weights for job in self.jobs}
        known = {job: at for place in self.places.values() for job, at in place.entry.trainings.items()}
        return {job: place for job, place in known.items() if job.digest() in awaited}


def named(name: str, words: Sequence[str]) -> bool:
    """Whether a part of a study is called by one of the `words`, whatever their case; by none it always is."""
    return not words or any(word.lower() in name.lower() for word in words)


def find(name: str) -> Path:
    """The study file at `name`, or the shipped one of that name; InvalidInputError with the nearest otherwise."""
    path = Path(home(name))
    if os.path.isfile(path):
        return path
    known = shipped()
    if path.name == name and path.stem in known:
        return SHIPPED / f"{path.stem}.yaml"
    if path.suffix or path.name != name:
        raise InvalidInputError(f"study must be a YAML file that exists; got {name!r}. Check the path.")
    raise unknown("study", name=name, known=known, remedy="A path of a YAML file works too.")


def shipped() -> list[str]:
    """The names of the studies that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def read(path: Path, environment: Environment = ALONE) -> StudyJobs:
    """The study of a file.

    Raises `InvalidInputError` with file, line and column for whatever is wrong, names the nearest to a misspelt key.
    """
    return _study(yaml_file.read(path), path.name, environment)


def parse(text: str, environment: Environment = ALONE, *, name: str = "study.yaml") -> StudyJobs:
    """The study of a YAML text, as `read` reads it from a file."""
    return _study(yaml_file.parse(text, name=name), name, environment)


def _study(root: YamlValue | None, file_name: str, environment: Environment) -> StudyJobs:
    if root is None:
        raise InvalidInputError(f"{file_name}: study must have jobs; the file is empty. List commands under `jobs:`.")
    sections = structured(mapping(root, what="study"), Sections, what="study")
    if sections.jobs is None and sections.search is None and sections.ablation is None:
        raise InvalidInputError(
            f"{file_name}: study must have jobs, a search or an ablation; it has none. List commands under `jobs:`."
        )
    defaults = read_defaults(sections)
    places = {} if sections.jobs is None else _jobs(sections.jobs, defaults, sections, environment)
    name = str(sections.name or Path(file_name).stem)
    further = frozenset(one for one in ("search", "ablation", "report") if getattr(sections, one) is not None)
    return StudyJobs(
        name, str(sections.description or ""), tuple(places), places, further, title=str(sections.report or "")
    )


def read_defaults(sections: Sections) -> OptionSection:
    """The section `defaults`. The same name may be another type to another command, which reads it anew.

    `batch-size` is text for an extraction, which may say "auto", and a number for a training.
    """
    known = {name for command in COMMANDS for name in options(command)}
    pairs = sections.defaults.pairs() if sections.defaults else []
    elsewhere = {name: command for command in reversed(COMMANDS) for name, command in ELSEWHERE[command].items()}
    return OptionSection(pairs, known=known, what="option of a study", elsewhere=elsewhere)


def _jobs(
    entries: YamlList, defaults: OptionSection, sections: Sections, environment: Environment
) -> dict[Job, JobPlace]:
    """The distinct jobs in order, each with the place of the first entry that means it."""
    if not entries:
        raise refusal(entries.place, "study must have jobs; the list is empty. Add an entry with a command.")
    jobs: dict[Job, JobPlace] = {}
    used = set(options(searched_command(sections.search))) if isinstance(sections.search, YamlMap) else set()
    used |= set() if sections.ablation is None else set(options("finetune"))
    for value in entries:
        for job, place in job_entry(value, defaults, environment).jobs():
            used |= place.options.keys() | {name for at in place.entry.trainings.values() for name in at.options}
            jobs.setdefault(job, place)
        if len(jobs) > MOST_JOBS:
            raise refusal(value.place, f"study must have at most {MOST_JOBS} jobs; got {len(jobs)}. Shorten its lists.")
    refuse_unused(defaults, used)
    return jobs


def refuse_unused(defaults: OptionSection, used: Collection[str]) -> None:
    """Raises `InvalidInputError` with the place of a default that is none of the options `used`."""
    for name in defaults:
        if name not in used:
            sentence = f"default must apply to some job; {name!r} applies to none. Remove it."
            raise refusal(defaults.place(name), sentence)


def job_entry(value: YamlValue, defaults: OptionSection, environment: Environment) -> JobEntry:
    """The entry that a mapping of a command and its options describes."""
    section = mapping(value, what="job")
    command = section.get("command")
    if command is None:
        raise refusal(value.place, f"job must have a command; got none. Known: {', '.join(COMMANDS)}.")
    if not isinstance(command, YamlText):
        raise refusal(command.place, f"command must be text; got {shown(command)}.")
    if command not in COMMANDS:
        raise refusal(command.place, unknown("command", name=command, known=COMMANDS))
    known = options(command)
    trainings = _trainings(section, defaults, environment) if "weights" in known else {}
    pairs = [pair for pair in section.pairs(but="command") if not trainings or pair[0] != "weights"]
    own = OptionSection(pairs, known=known, what=f"option of {command}", elsewhere=ELSEWHERE[command]).lists(known)
    if trainings:
        own["weights"] = OptionValues(section["weights"].place, tuple(job.digest() for job in trainings))
    return JobEntry(value.place, str(command), own, defaults.lists(known), environment, trainings)


def _trainings(section: YamlMap, defaults: OptionSection, environment: Environment) -> dict[Job, JobPlace]:
    """The trainings that the section describes in place of the name of its weights."""
    weights = section.get("weights")
    if not isinstance(weights, YamlMap):
        return {}
    if weights.get("command") != "train":
        sentence = f"job under weights must have the command train; got {shown(weights.get('command') or weights)}."
        raise refusal(weights.place, sentence)
    return dict(job_entry(weights, defaults, environment).jobs())
