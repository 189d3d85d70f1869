"""The section `ablation` of a study: a base, and changes of it one at a time, each trained with several seeds.

    ablation:
      base: {command: train, network: resnet20, epochs: 15}
      seeds: 3                                           # or a list of them
      changes:
        - mixup: 0                                       # a row
        - learning-rate: [0.02, 0.5]                     # a row for each value
        - {name: no augmentation, flip: false, crop: 0}  # a row of two options

Every row is compared with the base on the validation split, in pairs of the same seed and the same images.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec
import numpy as np

from extract.errors import InvalidInputError, TransferBenchError
from extract.features.layout import canonical_json
from extract.runtime.formats import written
from extract.runtime.options import options_of
from pipelines.specs.data import DataSource, Selection
from pipelines.specs.head import Repeats
from pipelines.studies import yaml_file
from pipelines.studies.crossing import ALONE, Environment, JobEntry, JobPlace
from pipelines.studies.jobs import ABLATE, ELSEWHERE, MODES, REPEATS, Job, options
from pipelines.studies.option_section import OptionSection, OptionValues
from pipelines.studies.study_file import Sections, job_entry, read_defaults, refuse_unused
from pipelines.studies.yaml_file import YamlList, YamlMap, YamlText, mapping, refusal, structured
from pipelines.workspace import explorations, records, stored
from pipelines.workspace.explorations import AblationResult, AblationRow, ValidatedRun
from pipelines.workspace.schema import TEST_SUBSET

SEEDS = 3
FEWEST_SEEDS = 2
VALIDATION = 0.1  # where the study names none
# Options that draw the images on which pairs are scored, or that nothing here reads.
SAME = ({one.name for part in (DataSource, Selection) for one in fields(part)} | {"validation"}) - {"image_size"}
IDLE = {
    "seed": "`seeds` beside `base` says which",
    "refit": "networks are scored on the validation split",
    TEST_SUBSET: "the test split is not read",
    "tta": "the test split is not read",
}


class AblationSection(msgspec.Struct, forbid_unknown_fields=True):
    """The parts of the section."""

    base: YamlMap | None = None
    changes: YamlList | None = None
    seeds: object = None


@dataclass(frozen=True)
class Variant:
    """The base, or one change of it: its name, the options that it sets, and its jobs by seed."""

    name: str
    options: Mapping[str, object]
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Ablation:
    """An ablation. `places` says where in the file each job stands."""

    name: str
    base: Variant
    changes: tuple[Variant, ...]
    seeds: tuple[int, ...]
    places: Mapping[Job, JobPlace]

    @property
    def jobs(self) -> list[Job]:
        """The distinct jobs, those of the base first."""
        return list(dict.fromkeys(job for one in (self.base, *self.changes) for job in one.jobs))

    def path(self, workspace: Path) -> Path:
        """The file of the result: another base or another name of the study is another ablation."""
        identity = canonical_json([self.name, [job.digest() for job in self.base.jobs]])
        return workspace / "ablations" / f"{hashlib.sha256(identity.encode()).hexdigest()[:12]}.json"


def read(path: Path, environment: Environment = ALONE) -> Ablation:
    """The ablation of a study file; `InvalidInputError` with file, line and column for whatever is wrong."""
    root = yaml_file.read(path)
    sections = Sections() if root is None else structured(mapping(root, what="study"), Sections, what="study")
    if sections.ablation is None:
        raise InvalidInputError(
            f"{path.name}: study must have an ablation; it has none. Describe `base` and `changes` under `ablation:`."
        )
    section = structured(sections.ablation, AblationSection, what="study's ablation")
    if not section.base or not section.changes:
        lacking = "changes" if section.base else "base"
        raise refusal(sections.ablation.place, f"ablation must have a base and changes of it; it lacks {lacking}.")
    seeds = _seeds(section.seeds, first=int(str(environment.fallback.get("seed") or 0)))
    environment = replace(environment, fallback={"validation": VALIDATION, **environment.fallback})
    defaults = read_defaults(sections)
    base = job_entry(section.base, defaults, environment)
    if base.command not in MODES:
        sentence = f"command of an ablation must be {' or '.join(MODES)}; got {base.command!r}."
        raise refusal(section.base["command"].place, sentence)
    if base.trainings:
        sentence = "weights of an ablation must be there; got a training. Train it first, and name its run."
        raise refusal(section.base["weights"].place, sentence)
    places: dict[Job, JobPlace] = {}
    [whole] = _variants(base, {}, "", seeds, places)
    if sections.jobs is None and sections.search is None:
        refuse_unused(defaults, {name for place in places.values() for name in place.options})
    changes = [one for value in section.changes for one in _change(value, base, whole, seeds, places)]
    return Ablation(str(sections.name or path.stem), whole, tuple(changes), seeds, places)


def _seeds(value: object, *, first: int) -> tuple[int, ...]:
    """The seeds: as many as a number says, counted from the `first`, or those of a list."""
    if value is None:
        return tuple(range(first, first + SEEDS))
    if isinstance(value, YamlMap) or not isinstance(value, YamlText | YamlList):
        raise refusal(getattr(value, "place", ""), "seeds must be a number of seeds or a list of them.")
    with yaml_file.placed(value):
        if isinstance(value, YamlText):
            count = options_of(Repeats)[REPEATS].read(str(value)) or 0
            found = tuple(range(first, first + count))
        else:
            found = tuple(dict.fromkeys(options("train")["seed"].read(str(one)) for one in value))
        if len(found) < FEWEST_SEEDS:
            raise InvalidInputError(
                f"seeds must be at least {FEWEST_SEEDS}, for what a seed varies must be seen; got {len(found)}. "
                f"Use {SEEDS} or more."
            )
    return found


def _change(
    value: object, base: JobEntry, whole: Variant, seeds: tuple[int, ...], places: dict[Job, JobPlace]
) -> list[Variant]:
    """The rows of an entry of `changes`, each of which must differ from the base."""
    section = mapping(value, what="change")  # type: ignore[arg-type]
    given = section.get("name")
    name = str(given) if isinstance(given, YamlText) else ""
    what = f"option of {base.command}"
    found = OptionSection(
        section.pairs(but="name"), known=options(base.command), what=what, elsewhere=ELSEWHERE[base.command]
    )
    own = found.lists(options(base.command))
    if not own:
        raise refusal(section.place, "change must set an option; it sets none. Write `- mixup: 0`.")
    variants = _variants(replace(base, place=section.place), own, name, seeds, places)
    for one in variants:
        if one.jobs == whole.jobs:
            raise refusal(section.place, f"change must differ from the base; {one.name!r} does not. Remove it.")
        for option in sorted(SAME):
            if getattr(one.jobs[0].data, option) != getattr(whole.jobs[0].data, option):
                sentence = f"change must leave the validation images as they are; {option} draws others."
                raise refusal(own[option].place, f"{sentence} Run two studies instead.")
    return variants


def _variants(
    base: JobEntry,
    own: Mapping[str, OptionValues],
    name: str,
    seeds: tuple[int, ...],
    places: dict[Job, JobPlace],
) -> list[Variant]:
    """The base with the options `own`: a variant for each combination of their values. Its jobs go into `places`."""
    for option in IDLE.keys() & {**base.own, **own}.keys():
        raise refusal({**base.own, **own}[option].place, f"{option} must be left out of an ablation: {IDLE[option]}.")
    fixed = {option: found for option, found in {**base.defaults, **base.own}.items() if option not in {**own, **IDLE}}
    for option, found in fixed.items():
        if len(found.values) > 1:
            sentence = f"{option} of the base must be one value; got {len(found.values)}."
            raise refusal(found.place, f"{sentence} Put the others under `changes:`.")
    defaults = {option: found for option, found in base.defaults.items() if option not in IDLE}
    every = {**base.own, **own, "seed": OptionValues(base.place, seeds)}
    made = list(replace(base, own=every, defaults=defaults).jobs())
    jobs = [replace(job, command=ABLATE) for job, _ in made]
    for job, (_, place) in zip(jobs, made, strict=True):
        assert job.network is not None  # the commands of an ablation train networks
        if job.network.validation_part() is None:
            raise refusal(place.entry.place, "validation must leave images to compare on; got none. Leave it out.")
        places.setdefault(job, place)
    found = []
    for start in range(0, len(made), len(seeds)):
        values = {option: made[start][1].options[option] for option in own}
        shown = written(values) if values and (not name or len(made) > len(seeds)) else ""
        label = ": ".join(filter(None, [name, shown])) or jobs[0].name
        found.append(Variant(label, values, tuple(jobs[start : start + len(seeds)])))
    return found


def gather(
    ablation: Ablation, runs: Mapping[Job, str | None], failures: Sequence[str], workspace: Path, *, refused: bool
) -> Path:
    """The file of the result, written from the trainings (`runs` by job) of the workspace.

    A change of which a seed failed has no row. Raises `TransferBenchError` where a run of the base failed,
    `InvalidInputError` where the failures are `refused`: the user's mistakes.
    """
    found = {one: explorations.validated(workspace, run) for one, run in runs.items() if run is not None}
    base = _by_seed(ablation.base, found)
    if base is None:
        kind = InvalidInputError if refused else TransferBenchError
        raise kind(f"base of an ablation must train with every seed; {failures[0]}")
    complete = [(one, by_seed) for one in ablation.changes if (by_seed := _by_seed(one, found)) is not None]
    spec = ablation.base.jobs[0]
    result = AblationResult(
        name=ablation.name,
        base=ablation.base.name,
        options={name: value for name, value in ablation.places[spec].options.items() if name != "seed"},
        dataset=spec.dataset[0],
        seeds=list(ablation.seeds),
        validation_rows=len(base[0].correct),
        accuracies=[one.accuracy for one in base],
        rows=_rows(base, complete),
        failures=list(failures),
        seconds=sum(one.seconds for one in found.values() if one is not None),
        created=records.now(),
    )
    path = ablation.path(workspace)
    stored.write(path, result)
    return path


def _by_seed(variant: Variant, found: Mapping[Job, ValidatedRun | None]) -> list[ValidatedRun] | None:
    """The trainings of a variant; None where one is missing."""
    every = [found.get(job) for job in variant.jobs]
    return [one for one in every if one is not None] if None not in every else None


def _rows(base: list[ValidatedRun], changes: list[tuple[Variant, list[ValidatedRun]]]) -> list[AblationRow]:
    from heads.statistics import paired_over_seeds

    if not changes:
        return []
    for variant, by_seed in changes:
        if any(one.ids != other.ids for one, other in zip(base, by_seed, strict=True)):
            raise TransferBenchError(f"{variant.name!r} must be scored on the images of its base; got others.")
    pairs = [[(_correct(one), _correct(other)) for one, other in zip(base, them, strict=True)] for _, them in changes]
    compared = paired_over_seeds(pairs, distinct=len({name for one in base for name in one.ids}))
    return [
        AblationRow(
            name=variant.name,
            options=dict(variant.options),
            accuracies=[one.accuracy for one in by_seed],
            seconds=sum(one.seconds for one in by_seed),
            difference=paired.difference,
            interval=paired.interval,
            p_value=paired.p_value,
        )
        for (variant, by_seed), paired in zip(changes, compared, strict=True)
    ]


def _correct(run: ValidatedRun) -> np.ndarray:
    return np.frombuffer(run.correct.encode(), np.uint8) == ord("1")
