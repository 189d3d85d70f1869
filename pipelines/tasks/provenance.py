"""What is known about a feature file beside what it holds: what making it cost, and where its weights lie.

A feature file is the same bytes wherever it is made, so none of this can stand in it. The extraction stage
leaves it in `extractions/<content>.json` of the workspace. A file that comes from elsewhere has no such note:
the size of its backbone is then counted anew, and the time that it took is not known.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extract.backbones.weights import is_file, split
from extract.errors import CorruptFileError
from pipelines.specs import weights_source
from pipelines.workspace import records, stored
from pipelines.workspace.answer_shapes import Note
from pipelines.workspace.context import Context

if TYPE_CHECKING:
    from extract.features.store import FeatureFile

Notice = Callable[[str], None]

RUN = "run:"  # how a feature file names a run whose network made it


@dataclass(frozen=True)
class Origin:
    """`parameters`, `weight_bytes` and `flops` (of one image, 2 per multiply-add) of the backbone; None for what is not
    known.

    `weights_file` is where weights of source "file" lay when they were used; `seconds` and
    `images_per_second` are those of the extraction, `created` its end, as ISO 8601. `file` is the feature file's name,
    `notices` what people should know of how the data were read.
    """

    parameters: int
    weight_bytes: int
    flops: int
    seconds: float | None = None
    images_per_second: float | None = None
    weights_file: str | None = None
    created: str = ""
    file: str = ""
    notices: list[str] = field(default_factory=list)


def remember(workspace: Path, record: dict[str, Any], *, weights: str, notices: Sequence[str] = ()) -> None:
    """Notes the origin of the feature file that the extraction's `record` tells of; `weights` as the user gave them.

    A file that took its plain view from another one cost what both took.
    """
    timing = record.get("timing") or {}
    before = _noted(workspace, record["content"])
    known = Origin(
        parameters=record["parameters"],
        weight_bytes=record["weight_bytes"],
        flops=record["flops"],
        seconds=_seconds(workspace, record) or (before.seconds if before else None),
        images_per_second=timing.get("images_per_second") or (before.images_per_second if before else None),
        weights_file=_resolved(weights) if is_file(weights) else None,
        created=before.created if before and record["timing"] is None else record["created"],
        file=record["file"],
        notices=list(notices),
    )
    if known == before:
        return
    path = _path(workspace, record["content"])
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.write(path, {"content": record["content"], **asdict(known)})


def _seconds(workspace: Path, record: dict[str, Any]) -> float | None:
    """What an extraction took with the one whose plain view it used; None for what is not known."""
    own = (record.get("timing") or {}).get("seconds")
    if own is None or record.get("plain_view_of") is None:
        return own
    lender = _noted(workspace, record["plain_view_of"])
    return own + lender.seconds if lender is not None and lender.seconds is not None else None


def origin(context: Context, file: "FeatureFile") -> Origin:
    """The origin of a feature file, as the workspace noted it, or else what can be counted from its spec."""
    return _noted(context.workspace, file.content, notice=context.notice) or _counted(context.workspace, file.spec)


def shared(seconds: float | None, file: "FeatureFile") -> dict[str, float | None]:
    """What an extraction took, shared out among the splits of its file by their numbers of images."""
    return {
        split: None if seconds is None else seconds * shape[1] / file.row_count for split, shape in file.shapes.items()
    }


def every(workspace: Path, *, notice: Notice) -> Iterator[Origin]:
    """All that the workspace has noted; `notice` hears of every note that is damaged."""
    for path in sorted((workspace / "extractions").glob("*.json")):
        try:
            yield _read(path)
        except CorruptFileError as error:
            notice(str(error))


def notices(workspace: Path, content: str) -> list[str]:
    """What people should know of how the data of the features with this `content` were read, where that was noted."""
    noted = _noted(workspace, content)
    return noted.notices if noted is not None else []


def seconds(workspace: Path, content: str) -> float | None:
    """What the features with this `content` took to make, in whichever command; None where not noted."""
    noted = _noted(workspace, content)
    return None if noted is None else noted.seconds


def weights_file(workspace: Path, content: str) -> str | None:
    """Where the weights of the features with this `content` lay when they were extracted; None where not noted.

    As `extract.backbones.checkpoints.read` takes it: the set of tensors that was chosen stands behind a "#".
    """
    noted = _noted(workspace, content)
    return noted.weights_file if noted else None


def _resolved(weights: str) -> str:
    path, chosen = split(weights)
    return f"{path.resolve()}#{chosen}" if chosen else str(path.resolve())


def backbone(spec: dict[str, Any], *, weights: str, workspace: Path) -> Any:
    """The backbone (`extract.backbones.frozen.Backbone`) that a feature file's `spec` describes, with these `weights`.

    Of a run of this workspace ("run:ID") it is the trained network.
    """
    layers = None if spec["layers"] is None else tuple(int(part) for part in spec["layers"].split(","))
    height, width = spec["preprocessing"]["image_size"]
    size = height if height == width else None
    folder = weights_source(weights, workspace).run_folder
    if weights.startswith(RUN):
        folder = records.folder(workspace, weights.removeprefix(RUN))
    if folder is not None:
        from pipelines.training import network_io

        return network_io.backbone(folder, spec["backbone"], image_size=size, pool=spec["pool"], layers=layers)
    from extract.backbones import frozen

    seed = spec["weights"]["seed"] or 0
    return frozen.load(spec["backbone"], weights=weights, image_size=size, pool=spec["pool"], layers=layers, seed=seed)


def _counted(workspace: Path, spec: dict[str, Any]) -> Origin:
    source = spec["weights"]["source"]
    found = backbone(spec, weights=source if source.startswith(RUN) else "untrained", workspace=workspace)
    return Origin(parameters=found.parameter_count, weight_bytes=found.weight_bytes, flops=found.flops)


def _noted(workspace: Path, content: str, *, notice: Notice | None = None) -> Origin | None:
    """The note; None where there is none, or a damaged one, of which `notice` hears: it can be counted again."""
    path = _path(workspace, content)
    if not path.exists():
        return None
    try:
        return _read(path)
    except CorruptFileError as error:
        if notice is not None:
            notice(str(error))
        return None


def _read(path: Path) -> Origin:
    about = {"thing": "note on a feature file", "remedy": "Extract it again to know what it took; scores need it not."}
    values = stored.read(path, Note, **about)
    content = values.pop("content")
    if path.name != _name(content):  # copied there
        raise stored.damaged(path, "it is the note on another file", **about)
    return Origin(**values)


def _path(workspace: Path, content: str) -> Path:
    return workspace / "extractions" / _name(content)


def _name(content: str) -> str:
    return f"{content[:16]}.json"
