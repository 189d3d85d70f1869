"""Weights by the name that a user gives: of a library, of a file, or of a network that a run trained."""

import functools
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from extract.backbones import weights, weights_preprocessing
from extract.backbones.weights_preprocessing import KnownPreprocessing
from extract.errors import InvalidInputError
from extract.runtime.disk import file_sha256
from extract.runtime.options import option
from pipelines.specs.spec import Fields, RawOptions
from pipelines.workspace import records
from pipelines.workspace.schema import DoneRecord, FailedRecord

WEIGHTS_NAME = "network.safetensors"
SIDECAR_NAME = "network.json"
NAMED = (*weights.SOURCES, "none")
weights_option = functools.partial(
    option,
    help="Source of the weights; #SET takes another set of a file's tensors (averaged ones, EMA, go first, as in "
    "timm).",
    metavar="pretrained|packaged|untrained|FILE[#SET]|RUN",
    group="Backbone",
)


@dataclass(frozen=True)
class Weights:
    """Location of weights: as `networks.load_weights` takes them, or in the folder of a trained network.

    `run` is an own run of the workspace. `run_folder` is its folder, or the one in which the file lies beside the
    `sidecar` of a run of whatever workspace (empty without one).
    """

    name: str
    run: DoneRecord | None = None
    run_folder: Path | None = None
    sidecar: Fields = field(default_factory=dict)

    @classmethod
    def find(cls, name: str, workspace: Path) -> "Weights":
        """The weights of a name in a workspace.

        Raises `InvalidInputError` for what looks like a run and is none, and for a run without a network of its own.
        """
        if name not in NAMED and not os.path.isfile(name) and re.fullmatch(r"[0-9a-f]{1,12}", name):
            run = _trained(records.read(workspace, name))
            return cls(name, run, records.folder(workspace, run.run))
        sidecar = _sidecar(Path(name))
        return cls(name, None, Path(name).parent if sidecar else None, sidecar)

    @property
    def kind(self) -> str:
        """Kind of the weights: "run", "file", or their name."""
        return "run" if self.run else self.name if self.name in NAMED else "file"

    @property
    def network(self) -> str | None:
        """The network that a run trained to them; None for other weights."""
        return self.run.architecture if self.run else self.sidecar.get("network")

    def architecture(self) -> Fields:
        """The options of the network that a run left beside their file."""
        kept = self.sidecar.get("architecture", {})
        return {name: value for name, value in kept.items() if value != "auto"}  # of a stem: by its size there

    def digest(self, network: str) -> tuple[str | None, str | None]:
        """(sha256 of their file for `network`, which of its sets of tensors is taken), None without a file or sets.

        Raises `InvalidInputError` for a name of nothing.
        """
        if self.run is not None:
            return self.run.files[WEIGHTS_NAME], None
        if self.kind == "file" and not weights.split(self.name)[0].exists():
            raise InvalidInputError(
                f"weights must be {', '.join(weights.SOURCES)}, a file or a run; got {self.name!r}, which is none of "
                "them. Check the path; `pipeline runs` lists the ids of runs."
            )
        file = None if self.name == "none" else weights.weights_file(self.name, backbone=network)
        return (None, None) if file is None else (file_sha256(file), weights.split(self.name)[1])

    def preprocessing(self, options: KnownPreprocessing) -> KnownPreprocessing | None:
        """Preprocessing of the weights (`extract.backbones.weights_preprocessing`), beside what their own file says.

        The `options` win over the sidecar of a run, which wins over the hub's configuration. None for nothing.
        """
        found: KnownPreprocessing = {}
        if self.kind == "file" and weights.is_file(self.name):
            path, _ = weights.split(self.name)
            found = weights_preprocessing.within(self.sidecar) if self.sidecar else weights_preprocessing.beside(path)
        return {**found, **options} or None


def with_own_network(option: str, raw: RawOptions, workspace: Path) -> Fields:
    """The options `raw`, with the network that the run trained as `option` where `weights` are a run's or its file.

    `option` is "network" or "backbone"; one that was given stays. Raises `InvalidInputError` as `Weights.find` does.
    """
    if raw.get(option) is not None or not raw.get("weights"):
        return dict(raw)
    network = Weights.find(str(raw["weights"]), workspace).network
    return dict(raw) if network is None else {**raw, option: network}


def _trained(record: records.Record) -> DoneRecord:
    if isinstance(record, FailedRecord) or record.kind != "network":
        raise InvalidInputError(
            f"weights must be a run that trained a network to its end; got {record.run}, a {record.status} run of a "
            f"{record.kind}. `pipeline runs` lists them."
        )
    return record


def _sidecar(path: Path) -> Fields:
    """The sidecar of the file of a trained network, as one of our runs left it; else an empty one.

    It must name the sha256 of this very file. Whether it is as it was written is seen where the network is read.
    """
    if path.name != WEIGHTS_NAME or not path.is_file():
        return {}
    try:
        values = json.loads(path.with_name(SIDECAR_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    sound = isinstance(values, dict) and isinstance(values.get("network"), str)
    sound = sound and all(isinstance(values.get(one), dict) for one in ("architecture", "preprocessing"))
    return values if sound and values.get("weights_sha256") == file_sha256(path) else {}
