"""Records: what every run leaves behind, one line of JSON in a folder of its own, and how to read them again.

`runs/<run>/record.json` is written last, under a temporary name, and renamed: where it stands, the run is
complete. Nobody else's word is trusted on reading: a name is checked before it becomes a path, and a record that is
altered, foreign, of another schema or another shape (`schema.Record`) is refused (`read`) or reported (`read_all`),
so that whoever reads a field finds what belongs there. Imports no torch.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from extract.errors import CorruptFileError, InvalidInputError, StorageError, unknown
from extract.runtime.disk import file_sha256, write_file
from extract.runtime.typed_json import ShapeError, typed
from pipelines.workspace import stored
from pipelines.workspace.schema import SCHEMA, TOTAL, DoneRecord, FailedRecord, Record

if TYPE_CHECKING:
    import numpy as np

RECORD_NAME = "record.json"
LOGITS_NAME = "test.safetensors"
VALIDATION_NAME = "validation.safetensors"  # of what was chosen, before any refit
OUT_OF_FOLD_NAME = "out_of_fold.safetensors"  # `heads.analysis.own.own_probabilities`
REFERENCE_NAME = "reference.safetensors"  # `heads.trust.novelty.Reference`
AVERAGED_NAME = "test_tta.safetensors"  # logits averaged over test-time views
REMEDY = "Run it again, or remove its folder."
_FAILURES: ContextVar[list[str]] = ContextVar("failures")


def folder(workspace: Path, run: str) -> Path:
    """Directory of the files of `run`; InvalidInputError unless its name is 12 hexadecimal digits."""
    if not re.fullmatch(r"[0-9a-f]{12}", run):
        raise InvalidInputError(f"run must be 12 hexadecimal digits; got {run!r}. `pipeline runs` lists them.")
    return workspace / "runs" / run


def made(values: Mapping[str, object]) -> Record:
    """The record that holds `values`; `schema`, `status`, `error` and `created` are filled in where absent.

    Numbers that are not finite become null, for JSON has none. Raises InvalidInputError where a record of this status
    has another shape.
    """
    complete = stored.finite({"schema": SCHEMA, "status": "done", "error": None, "created": now(), **values})
    try:
        return _typed(complete)
    except ShapeError as error:
        raise InvalidInputError(
            f"record must have the shape of records; {error}. Mend the code that made it."
        ) from error


def write(workspace: Path, record: Record | Mapping[str, object]) -> Path:
    """The file in which `record` now stands as one line of JSON, with a checksum; an earlier one is replaced."""
    complete = made(stored.finite(record))
    place = folder(workspace, complete.run)
    place.mkdir(parents=True, exist_ok=True)
    try:
        stored.write(place / RECORD_NAME, complete)
    except (OSError, StorageError):
        forget_empty(place)
        raise
    return place / RECORD_NAME


def forget_empty(place: Path) -> None:
    """Removes the folder of a run in which nothing could be written: a run without a record is none."""
    with contextlib.suppress(OSError):  # it holds files, or is gone
        place.rmdir()


def with_total(seconds: Mapping[str, float | None]) -> dict[str, float | None]:
    """Seconds by phase with their sum as `total`; a phase whose seconds are not known (None) adds nothing."""
    phases = {phase: value for phase, value in seconds.items() if phase != TOTAL}
    return {**phases, TOTAL: sum(value or 0.0 for value in phases.values())}


def failed(
    workspace: Path,
    *,
    run: str,
    kind: str,
    name: str,
    key: Mapping[str, object],
    error: str,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """The record of a run that ended in `error` (a sentence); `facts` are other keys of a record, as far as known.

    A record of the same run that was done is replaced: its files no longer count as cached.
    """
    known = {"run": run, "kind": kind, "status": "failed", "name": name, "key": dict(key), "error": error}
    path = write(workspace, {**(facts or {}), **known})
    _FAILURES.get([]).append(run)
    return path


@contextlib.contextmanager
def failures() -> Iterator[list[str]]:
    """Gives a list to which `failed` adds, while the body runs, the run that it records."""
    runs: list[str] = []
    token = _FAILURES.set(runs)
    try:
        yield runs
    finally:
        _FAILURES.reset(token)


def read(workspace: Path, run: str) -> Record:
    """The record of `run`, or of the only run whose name starts so.

    Raises InvalidInputError for a name that no run or several have, and CorruptFileError for a broken record.
    """
    return _read(workspace / "runs" / resolve(workspace, run) / RECORD_NAME)


def done(workspace: Path, run: str) -> DoneRecord:
    """As `read`, of a run that is done; InvalidInputError for one that failed."""
    record = read(workspace, run)
    if not isinstance(record, DoneRecord):
        raise InvalidInputError(f"run must be done; got {record.run}, which failed ({record.error}). Run it again.")
    return record


def resolve(workspace: Path, run: str) -> str:
    """The full name of the only run that is named `run` or starts so; InvalidInputError with the nearest otherwise."""
    known = _names(workspace)
    found = [name for name in known if name == run] or [name for name in known if run and name.startswith(run)]
    if len(found) > 1:
        raise InvalidInputError(
            f"run must name one run; got {run!r}, which fits {', '.join(found[:5])}. Add some letters."
        )
    if not known:
        raise InvalidInputError(
            f"run must be one of the workspace; got {run!r}, and {str(workspace)!r} has no runs. "
            "`pipeline fit-head` makes one; --workspace names another."
        )
    if not found:
        raise unknown("run", name=run, known=known, remedy=f"`pipeline runs` lists those of {str(workspace)!r}.")
    return found[0]


def read_all(workspace: Path) -> tuple[list[Record], list[str]]:
    """(every readable record, oldest first; a sentence for every record that is broken)."""
    records, problems = [], []
    for name in _names(workspace):
        try:
            records.append(_read(workspace / "runs" / name / RECORD_NAME))
        except CorruptFileError as error:
            problems.append(str(error))
    return sorted(records, key=lambda record: (record.created, record.run)), problems


def images_digest(dataset_digest: str, ids: Sequence[str]) -> str:
    """Digest of the test images of a run: their data set's content, and which of it, in order.

    It stands in the record as `dataset.test_images`. Runs were scored on the same images where it is the same.
    """
    return hashlib.sha256(json.dumps([dataset_digest, *ids]).encode()).hexdigest()


def keep_logits(path: Path, logits: "np.ndarray", *, labels: "np.ndarray", ids: Sequence[str]) -> None:
    """Write the logits float32 [N, K], labels int64 [N] and image ids of a test split to the file `path`."""
    import numpy as np
    from safetensors.numpy import save

    names = np.frombuffer(json.dumps(list(ids)).encode(), np.uint8)  # JSON, for ids hold any character
    write_file(path, save({"logits": np.ascontiguousarray(logits), "labels": labels, "ids": names}))


def logits(workspace: Path, run: str) -> tuple["np.ndarray", "np.ndarray"]:
    """(logits float32 [N, K], labels int64 [N]) of the test split, in file order; `run` as in `read`.

    Raises InvalidInputError where the run failed, CorruptFileError where the file is gone or is not what was recorded.
    """
    kept = arrays(workspace, run, LOGITS_NAME, names=("logits", "labels"))
    return kept["logits"], kept["labels"]


def test_ids(workspace: Path, run: str) -> tuple[str, ...]:
    """The ids of the images that the rows of `logits` belong to; raises as that does."""
    return tuple(json.loads(arrays(workspace, run, LOGITS_NAME, names=("ids",))["ids"].tobytes()))


def arrays(workspace: Path, run: str, file: str, *, names: Sequence[str]) -> dict[str, "np.ndarray"]:
    """The arrays `names` of a `file` of a run; raises as `logits` does."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    record = done(workspace, run)
    path = folder(workspace, record.run) / file
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != record.files.get(file):
        raise _damaged(path, "it is gone, or not the file that its record describes")
    try:
        tensors = load(content)
        return {name: tensors[name] for name in names}
    except (SafetensorError, KeyError) as error:
        raise _damaged(path, str(error)) from error


def status(workspace: Path, run: str) -> str | None:
    """ "done" or "failed"; None where there is no intact record of exactly that name. Raises nothing."""
    try:
        return _read(folder(workspace, run) / RECORD_NAME).status
    except InvalidInputError:
        return None


def intact(workspace: Path, run: str) -> DoneRecord | None:
    """The record of `run` if it is done and each of its files is there, undamaged; else None. Raises nothing."""
    try:
        place = folder(workspace, run)
        record = _read(place / RECORD_NAME)
    except InvalidInputError:
        return None
    if not isinstance(record, DoneRecord):
        return None
    files = record.files.items()
    return record if all((place / name).is_file() and file_sha256(place / name) == one for name, one in files) else None


def now() -> str:
    """This moment as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _names(workspace: Path) -> list[str]:
    return sorted(
        path.parent.name
        for path in (workspace / "runs").glob(f"*/{RECORD_NAME}")
        if re.fullmatch(r"[0-9a-f]{12}", path.parent.name)
    )


def _read(path: Path) -> Record:
    try:
        record = _typed(stored.read(path, dict[str, object], thing="record", remedy=REMEDY))
    except ShapeError as error:
        raise _damaged(path, str(error)) from error
    if record.run != path.parent.name:
        raise _damaged(path, f"it is the record of {record.run!r}")
    return record


def _typed(values: Mapping[str, object]) -> Record:
    return typed(values, FailedRecord if values.get("status") == "failed" else DoneRecord)


def _damaged(path: Path, what: str) -> CorruptFileError:
    return stored.damaged(path, what, thing="record", remedy=REMEDY)
