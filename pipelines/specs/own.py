"""Own runs as weights: a trained network of the workspace, named where other weights would be. Imports no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract import weights
from extract.errors import InvalidInput
from pipelines import records


@dataclass(frozen=True)
class Source:
    """Where weights lie here: as `finetune.networks.load_weights` takes them, or in the folder of an own run."""

    weights: str
    run_folder: Path | None = None


def weights_source(given: str, workspace: Path) -> Source:
    """Where the `given` weights lie in this workspace."""
    run = own_run(given, workspace)
    return Source(given, records.folder(workspace, run["run"]) if run else None)


def own_run(given: str, workspace: Path) -> dict[str, Any] | None:
    """The record of the own trained network that `given` weights name; None where they are something else.

    Raises `InvalidInput` for what looks like a run and is none, and for a run without a network of its own.
    """
    looks = re.fullmatch(r"[0-9a-f]{4,12}", given) is not None
    if given in (*weights.SOURCES, "none") or Path(given).is_file() or not looks:
        return None
    record = records.read(workspace, given)
    if record["kind"] != "network" or record["status"] != "done":
        raise InvalidInput(
            f"weights must be a run that trained a network to its end; got {record['run']}, a {record['status']} run "
            f"of a {record['kind']}. `pipeline runs` lists them."
        )
    return record


def with_own_network(option: str, given: Mapping[str, Any], workspace: Path) -> dict[str, Any]:
    """The options `given`, with the network that the run trained as `option` where `weights` are an own run's.

    `option` is "network" or "backbone"; one that was given stays. Raises `InvalidInput` as `own_run` does.
    """
    if given.get(option) is not None:
        return dict(given)
    run = own_run(str(given.get("weights") or ""), workspace)
    return dict(given) if run is None else {**given, option: run["architecture"]}
