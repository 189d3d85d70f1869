"""What is known about a feature file beside what it holds: what making it cost, and where its weights lie.

A feature file is the same bytes wherever it is made, so none of this can stand in it. The extraction stage
leaves it in `extractions/<content>.json` of the workspace. A file that comes from elsewhere has no such note:
the size of its backbone is then counted anew, and the time that it took is not known.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extract.weights import SOURCES
from pipelines import records

if TYPE_CHECKING:
    from extract.store import FeatureFile


@dataclass(frozen=True)
class Origin:
    """`parameters` and `flops` (of one image, 2 per multiply-add) of the backbone; None for what is not known.

    `weights_file` is where weights of source "file" lay when they were used; `seconds` and
    `images_per_second` are those of the extraction.
    """

    parameters: int
    flops: int
    seconds: float | None = None
    images_per_second: float | None = None
    weights_file: str | None = None


def remember(workspace: Path, record: dict[str, Any], *, weights: str) -> None:
    """Notes the origin of the feature file that the extraction's `record` tells of; `weights` as the user gave them."""
    timing = record.get("timing") or {}
    before = _noted(workspace, record["content"])
    known = Origin(
        parameters=record["parameters"],
        flops=record["flops"],
        seconds=timing.get("seconds") or (before.seconds if before else None),
        images_per_second=timing.get("images_per_second") or (before.images_per_second if before else None),
        weights_file=None if weights in SOURCES else str(Path(weights).resolve()),
    )
    if known == before:
        return
    path = _path(workspace, record["content"])
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_file(path, json.dumps(asdict(known)).encode())


def origin(workspace: Path, file: "FeatureFile") -> Origin:
    """The origin of a feature file, as the workspace noted it, or else what can be counted from its spec."""
    return _noted(workspace, file.content) or _counted(file.spec)


def weights_file(workspace: Path, content: str) -> Path | None:
    """Where the weights of the features with this `content` lay when they were extracted; None where not noted."""
    noted = _noted(workspace, content)
    return Path(noted.weights_file) if noted and noted.weights_file else None


def _counted(spec: dict[str, Any]) -> Origin:
    from extract import backbones

    layers = None if spec["layers"] is None else tuple(int(part) for part in spec["layers"].split(","))
    size = spec["preprocessing"]["image_size"][0]
    backbone = backbones.load(
        spec["backbone"], weights="untrained", image_size=size, pool=spec["pool"], layers=layers, seed=0
    )
    return Origin(parameters=backbone.parameter_count, flops=backbone.flops)


def _noted(workspace: Path, content: str) -> Origin | None:
    """The note, or None where there is none that can be read: it can always be counted again."""
    try:
        return Origin(**json.loads(_path(workspace, content).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _path(workspace: Path, content: str) -> Path:
    return workspace / "extractions" / f"{content[:16]}.json"
