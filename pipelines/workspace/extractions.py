"""Records of feature files: what making one cost, and where its weights lie.

A feature file is the same bytes wherever it is made, so none of this can stand in it. The extraction stage leaves it in
`extractions/<content>.json`. A file that comes from elsewhere has no record here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from extract.errors import CorruptFileError
from pipelines.workspace import stored
from pipelines.workspace.record import Extraction

if TYPE_CHECKING:
    from extract.features.store import FeatureFile

Notice = Callable[[str], None]
THING, REMEDY = "note on a feature file", "Extract it again to know what it took; scores need it not."


def write(workspace: Path, record: Extraction) -> None:
    """Keeps the record of a feature file; an earlier one of the same content is replaced."""
    path = _path(workspace, record.content)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.write(path, record)


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
    """What an extraction took, shared out among the splits of its file by their numbers of images."""
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
