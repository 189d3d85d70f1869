"""Own runs as weights: a trained network of the workspace, named where other weights would be. Imports no torch."""

import functools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.backbones import weights, weights_preprocessing
from extract.errors import InvalidInputError
from extract.runtime.options import option
from pipelines.workspace import records

WEIGHTS_NAME = "network.safetensors"
SIDECAR_NAME = "network.json"
weights_option = functools.partial(
    option,
    help="Where the weights come from; #SET takes another set of a file's tensors (averaged ones, EMA, go first, as in "
    "timm).",
    metavar="pretrained|packaged|untrained|FILE[#SET]|RUN",
    group="Backbone",
)


@dataclass(frozen=True)
class Source:
    """Where weights lie here: as `Architecture.load_weights` takes them, or in the folder of a trained network.

    The folder is an own run's, or the one in which a file lies beside the sidecar of a run of whatever workspace.
    """

    weights: str
    run_folder: Path | None = None


def weights_source(given: str, workspace: Path) -> Source:
    """Where the `given` weights lie in this workspace."""
    run = own_run(given, workspace)
    if run is not None:
        return Source(given, records.folder(workspace, run["run"]))
    return Source(given, Path(given).parent if beside_sidecar(given) is not None else None)


def beside_sidecar(given: str) -> dict[str, Any] | None:
    """The sidecar of weights that are the file of a trained network, as one of our runs left it; else None.

    It must name the sha256 of this very file. Whether it is as it was written is seen where the network is read.
    """
    path = Path(given)
    if path.name != WEIGHTS_NAME or not path.is_file():
        return None
    try:
        values = json.loads(path.with_name(SIDECAR_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    sound = isinstance(values, dict) and isinstance(values.get("network"), str)
    sound = sound and all(isinstance(values.get(one), dict) for one in ("architecture", "preprocessing"))
    return values if sound and values.get("weights_sha256") == weights.file_sha256(path) else None


def known_preprocessing(given: str, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """How weights want their images (`extract.backbones.weights_preprocessing`), beside what their own file says.

    The `options` win over the sidecar of a run, which wins over the hub's configuration. None for nothing.
    """
    found: dict[str, Any] = {}
    if weights.is_file(given):
        sidecar = beside_sidecar(given)
        path, _ = weights.split(given)
        found = weights_preprocessing.within(sidecar) if sidecar is not None else weights_preprocessing.beside(path)
    return {**found, **options} or None


def own_run(given: str, workspace: Path) -> dict[str, Any] | None:
    """The record of the own trained network that `given` weights name; None where they are something else.

    Raises `InvalidInputError` for what looks like a run and is none, and for a run without a network of its own.
    """
    looks = re.fullmatch(r"[0-9a-f]{4,12}", given) is not None
    if given in (*weights.SOURCES, "none") or os.path.isfile(given) or not looks:
        return None
    record = records.read(workspace, given)
    if record["kind"] != "network" or record["status"] != "done":
        raise InvalidInputError(
            f"weights must be a run that trained a network to its end; got {record['run']}, a {record['status']} run "
            f"of a {record['kind']}. `pipeline runs` lists them."
        )
    return record


def with_own_network(option: str, given: Mapping[str, Any], workspace: Path) -> dict[str, Any]:
    """The options `given`, with the network that the run trained as `option` where `weights` are a run's or its file.

    `option` is "network" or "backbone"; one that was given stays. Raises `InvalidInputError` as `own_run` does.
    """
    if given.get(option) is not None:
        return dict(given)
    source = str(given.get("weights") or "")
    run = own_run(source, workspace)
    if run is not None:
        return {**given, option: run["architecture"]}
    sidecar = beside_sidecar(source)
    return dict(given) if sidecar is None else {**given, option: sidecar["network"]}
