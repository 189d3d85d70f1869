"""Records of feature files: what making one cost, and where its weights lie.

A feature file is the same bytes wherever it is made, so none of this can stand in it. The extraction stage leaves it in
`extractions/<content>.json`. A file that comes from elsewhere has no record here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import field

from extract.errors import CorruptFileError
from extract.runtime.typed_json import Count, Seconds, Sha256
from pipelines.workspace import stored
from pipelines.workspace.parts.scores import RecordPart, null
from pipelines.workspace.schema import FeatureName, Rate

if TYPE_CHECKING:
    from extract.features.store import FeatureFile

Notice = Callable[[str], None]
THING, REMEDY = "note on a feature file", "Extract it again to know what it took; scores need it not."


class ExtractionCost(RecordPart, frozen=True, kw_only=True):
    """Cost of an extraction (`extract.features.extraction.Timing`)."""

    seconds: Seconds
    compile_seconds: Seconds
    images_computed: Count
    images_per_second: Rate


class Extraction(RecordPart, frozen=True, kw_only=True):
    """The record of a feature file, as `extractions/<content>.json` keeps it.

    `parameters`, `weight_bytes` and `flops` (of one image, 2 per multiply-add) are the backbone's. `seconds` are those
    of the extraction, and of the one that had computed its plain view (`plain_view_of`, a content); None where not
    known, as `timing`. `weights_file` is where weights of source "file" lay when they were used, as
    `extract.backbones.checkpoints.read` takes it; `notices` is what people should know of how the data were read.
    """

    schema: Literal[3]
    kind: Literal["features"]
    created: str
    file: FeatureName
    digest: Sha256
    content: Sha256
    rows: Count
    dimension: Count
    file_bytes: Count
    engine: str
    parameters: Count
    weight_bytes: Count
    flops: Count
    skipped: list[str]
    timing: ExtractionCost | None = null()
    plain_view_of: Sha256 | None = None
    seconds: Seconds | None = null()
    weights_file: str | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def images_per_second(self) -> float | None:
        """Speed of the extraction; None where not known."""
        return None if self.timing is None else self.timing.images_per_second


def write(workspace: Path, record: Extraction) -> None:
    """Keeps the record of a feature file; an earlier one of the same content is replaced."""
    stored.write(_path(workspace, record.content), record)


def find(workspace: Path, content: str, *, notice: Notice | None = None) -> Extraction | None:
    """The record of the features with this `content` digest; None without one, or with a damaged one, of which
    `notice` hears."""
    path = _path(workspace, content)
    try:
        return _read(path) if path.exists() else None
    except CorruptFileError as error:
        if notice is not None:
            notice(str(error))
        return None


def find_all(workspace: Path, *, notice: Notice) -> Iterator[Extraction]:
    """Every record of a feature file; `notice` hears of those that are damaged."""
    for path in sorted((workspace / "extractions").glob("*.json")):
        try:
            yield _read(path)
        except CorruptFileError as error:
            notice(str(error))


def shares(seconds: float | None, file: "FeatureFile") -> dict[str, float | None]:
    """Cost of an extraction, divided among the splits of its file by their numbers of images."""
    return {
        split: None if seconds is None else seconds * shape[1] / file.row_count for split, shape in file.shapes.items()
    }


def _read(path: Path) -> Extraction:
    record = stored.read(path, Extraction, thing=THING, remedy=REMEDY)
    if path.name != _name(record.content):  # copied there
        raise stored.damaged(path, "it is the note on another file", thing=THING, remedy=REMEDY)
    return record


def _path(workspace: Path, content: str) -> Path:
    return workspace / "extractions" / _name(content)


def _name(content: str) -> str:
    return f"{content[:16]}.json"
