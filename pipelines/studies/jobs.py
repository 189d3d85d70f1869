"""A job: one command of a study with one value for each option. What crosses processes, and nothing else does."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from extract.backbones.weights import SOURCES, is_file, split
from extract.data.datasets import NAMES
from extract.data.labels.columns import LabelFile
from extract.errors import InvalidInputError
from extract.features.layout import canonical_json
from extract.runtime.options import Option, options_of
from finetune.architectures.options import Options
from finetune.recipes import Recipe
from heads import registry
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec, with_own_network
from pipelines.specs.head import Repeats, of_heads
from pipelines.specs.network import FROZEN_HAS, STARTS, USUAL_NETWORK
from pipelines.specs.spec import RawOptions, Spec

if TYPE_CHECKING:
    from pipelines.tasks.shards import ShardRequest

AnySpec = TypeVar("AnySpec", bound=Spec)
COMMANDS = ("extract", "fit-head", "train", "finetune")
ABLATE = "ablate"  # the command of a job that trains and is scored on its validation split alone
REPEATS = "seeds"  # fit-head's: as many heads, seeds counted up, on the same features
MODES = {"train": "scratch", "finetune": "full"}
# Options of the command line that are none of a job, and the command to which each is given.
_WATCHING = ("plot", "find_learning_rate", "tensorboard")
_OF_LINE = {"fit-head": ("features", "plot", "shots", "draws"), "train": _WATCHING, "finetune": _WATCHING}
_OF_RUN: dict[str, str] = dict.fromkeys(("workspace", "device", "threads"), "run")
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    command: _OF_RUN | dict.fromkeys(_OF_LINE.get(command, ()), command) for command in COMMANDS
}


@dataclass(frozen=True)
class Job:
    """One command and the specs it needs; equal jobs are one job.

    `features` is the extraction (of `extract`, or the one that a head reads), `head` and `network` the rest. With
    `shard` it is that part of an extraction alone.
    """

    command: str
    features: ExtractSpec | None = None
    head: HeadSpec | None = None
    network: NetworkSpec | None = None
    shard: "ShardRequest | None" = None

    @property
    def data(self) -> ExtractSpec | NetworkSpec:
        """The spec that says what the job reads."""
        return self.network or self.extract_spec

    @property
    def extract_spec(self) -> ExtractSpec:
        """The extraction, or that of the features that the head reads; a network has none."""
        assert self.features is not None
        return self.features

    @property
    def dataset(self) -> tuple[str, str | None, LabelFile | None]:
        """(data set, data directory or None, file of labels or None) that the job reads."""
        return self.data.dataset, self.data.data_dir, self.data.label_file

    @property
    def weights(self) -> str:
        """The weights that its network or backbone begins with."""
        return str(self.data.weights)

    @property
    def name(self) -> str:
        """A short label: what is computed, on what."""
        dataset = Path(self.data.dataset).name or self.data.dataset
        if self.network is not None:
            return f"{self.network.network} {self.network.mode} on {dataset}"
        features = f"{self.extract_spec.backbone} on {dataset}"
        return f"features of {features}" if self.head is None else f"{self.head.head} on {features}"

    @property
    def kind(self) -> str:
        """The kind of its record: "network", or "head" for what rests on features."""
        return "head" if self.network is None else "network"

    def specs(self) -> dict[str, dict[str, object]]:
        """Each spec by its field's name, as primitives."""
        specs = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {part: spec.as_dict() for part, spec in specs.items() if isinstance(spec, Spec)}

    def key(self) -> dict[str, object]:
        """The job as primitives."""
        return {"command": self.command, **self.specs()}

    def digest(self) -> str:
        """12 hexadecimal digits that only equal jobs share: the run under which a failure is recorded."""
        return hashlib.sha256(canonical_json(self.key()).encode()).hexdigest()[:12]

    def extraction(self) -> "Job | None":
        """The job whose features this one reads; None for an extraction and for a network."""
        return Job("extract", self.features) if self.head is not None else None


@functools.cache
def options(command: str) -> Mapping[str, Option]:
    """The options of a command by name."""
    if command == "extract":
        return ExtractSpec.declared()
    if command == "fit-head":
        return {**HeadSpec.declared(), **ExtractSpec.declared(), REPEATS: options_of(Repeats)[REPEATS]}
    every = NetworkSpec.declared()
    return {name: one for name, one in every.items() if command != "train" or name not in STARTS}


def has(command: str, name: str, raw: RawOptions) -> bool:
    """True where a job of `command` has the option `name`, which the head, network or mode in `raw` may lack."""
    if command == "fit-head" and name in of_heads():
        head = str(raw.get("head") or HeadSpec.head)
        return head not in registry.kinds() or name in registry.options(head)
    if command in MODES and raw.get("mode") == "frozen" and name in ("recipe", *options_of(Recipe)):
        return name in FROZEN_HAS
    if command in MODES and name in options_of(Options):
        from finetune.architectures import networks

        try:
            return name in networks.resolve(str(raw.get("network") or USUAL_NETWORK)).option_names
        except InvalidInputError:
            return True  # no network is called so, which is said when it is checked
    return True


def make(command: str, raw: RawOptions, *, workspace: Path) -> list[Job]:
    """The job of `command` with the options `raw`; `seeds` makes several. `InvalidInputError` for a bad value.

    Where weights are of a run of the `workspace`, its network is the one that is meant if none is named.
    """
    if command != "train":
        raw = with_own_network("network" if command == "finetune" else "backbone", raw, workspace)
    if command in MODES:
        return [Job(command, network=_network(command, raw))]
    features = _features(_of(ExtractSpec, raw))
    if command == "extract":
        return [Job(command, features)]
    repeats = options(command)[REPEATS].read(raw.get(REPEATS)) or 1
    head = _of(HeadSpec, raw)
    return [Job(command, features, dataclasses.replace(head, seed=head.seed + repeat)) for repeat in range(repeats)]


def _of(spec: type[AnySpec], raw: RawOptions) -> AnySpec:
    return spec.of({name: _absolute(name, value) for name, value in raw.items() if name in spec.declared()})


def _network(command: str, raw: RawOptions) -> NetworkSpec:
    return _of(NetworkSpec, {**raw, "mode": mode_of(command, raw)})


def mode_of(command: str, raw: RawOptions) -> object:
    """The mode of `train` or `finetune` with the options `raw`; `InvalidInputError` for one of the other command."""
    mode = raw.get("mode") or MODES[command]
    if (mode == "scratch") != (command == "train"):
        raise InvalidInputError(
            f"mode of {command} must not be {mode!r}. Use train for scratch, finetune for the others."
        )
    return mode


def _features(spec: ExtractSpec) -> ExtractSpec:
    """The spec without a seed where nothing is drawn with it, so that it is extracted once for all seeds."""
    drawn = spec.weights == "untrained" or spec.sampled
    return spec if drawn else dataclasses.replace(spec, seed=0)


def _absolute(name: str, value: object) -> object:
    """Paths as every process of a cluster must see them; anything else as it is."""
    words = {"data_dir": (), "dataset": NAMES, "weights": SOURCES}
    if name not in words or value is None or value in words[name]:
        return value
    if name == "weights" and is_file(str(value)):
        path, chosen = split(str(value))
        return f"{path.resolve()}#{chosen}" if chosen else str(path.resolve())
    return str(Path(str(value)).resolve()) if name == "data_dir" or os.path.exists(str(value)) else value
