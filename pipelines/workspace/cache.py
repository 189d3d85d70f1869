"""The one joblib.Memory of a workspace, and the one way to ask it.

The cached functions take a key (canonical JSON) and a context that is left out of the hash, and return the name of the
record that they wrote. joblib keeps it as JSON with a checksum (`store_backend`). What is damaged, foreign or not of
their return type counts as absent, and the record and its files are checked before they count as cached.
What a key means is versioned in the key itself, so that changed code of a function forgets nothing.
"""

import contextlib
import os
import tempfile
import typing
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from joblib import Memory, register_store_backend

from extract.data.walk import MARK
from extract.errors import InvalidInputError, NotWritableError, TransferBenchError
from extract.runtime.disk import disk_errors, write_file
from pipelines.workspace import image_folders
from pipelines.workspace.store_backend import Answers

BACKEND = "checked answers"
Name = TypeVar("Name")
Value = TypeVar("Value")
_LOOKING: ContextVar[bool] = ContextVar("looking", default=False)

register_store_backend(BACKEND, Answers)


@dataclass(frozen=True)
class StageResult(Generic[Value]):
    """The record of what a spec asks for, where its file or folder lies, and whether the cache had it.

    `notices` is what people should know of how the data were read.
    """

    record: Value
    path: Path
    cached: bool = True
    notices: tuple[str, ...] = ()


class CacheMissError(TransferBenchError):
    """Looked-for result that is not in the cache."""


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Inside it `ask` computes nothing and makes nothing: it answers from the cache or raises `CacheMissError`."""
    token = _LOOKING.set(True)
    try:
        yield
    finally:
        _LOOKING.reset(token)


def is_looking() -> bool:
    """Whether this is inside `looking`."""
    return _LOOKING.get()


def find(
    stage: Callable[[str, Any], Name],
    key: str,
    *,
    workspace: Path,
    read: Callable[[Name], Value | None],
    is_intact: Callable[[Value], bool] = lambda _: True,
) -> Value | None:
    """Look up the result of `stage(key, ...)`: the cached name as `read` turns it into a record.

    None where there is none, or `is_intact` denies its artifact. Makes no folder and writes nothing.
    """
    cached = _cached(stage, workspace)
    if not cached.check_call_in_cache(key, None):
        return None
    record = read(cached.call_and_shelve(key, None).get())
    return record if record is not None and is_intact(record) else None


def ask(
    stage: Callable[[str, Any], Name],
    key: str,
    *,
    context: object,
    workspace: Path,
    read: Callable[[Name], Value | None],
    is_intact: Callable[[Value], bool] = lambda _: True,
) -> tuple[Value, bool]:
    """The record of `stage(key, context)`, as `find`, and whether it came from the cache; else it is computed."""
    found = find(stage, key, workspace=workspace, read=read, is_intact=is_intact)
    if found is not None:
        return found, True
    if is_looking():
        raise CacheMissError(f"{stage.__name__.strip('_')} must be in the cache; it is not.")
    make_workspace(workspace)
    cached = _cached(stage, workspace)
    cached.call(key, context)
    record = read(cached.call_and_shelve(key, None).get())  # as it was kept: it is the same now and later
    if record is None:
        raise TransferBenchError("record must stay where it was written; it is gone already. Start again.")
    return record, False


def _cached(stage: Callable[[str, Any], object], workspace: Path) -> Any:
    """The stage as joblib remembers it. Its store reads an answer once, so that it cannot change between two looks."""
    shape = typing.get_type_hints(stage, include_extras=True)["return"]
    place = str((workspace / "cache").resolve())
    memory = Memory(place, backend=BACKEND, backend_options={"shape": shape}, verbose=0)
    cached: Any = memory.cache(stage, ignore=["context"])  # joblib's own types are unions of everything
    cached.store_backend.code = cached.func_code_info[0]
    return cached


MARKED = "A workspace of transfer-bench: what is below here is no data set, whatever images it holds.\n"


def make_workspace(workspace: Path) -> None:
    """Makes the workspace and proves that it can be written; `InvalidInputError` otherwise."""
    try:
        with disk_errors(workspace):
            for folder in ("features", "runs", "cache"):
                (workspace / folder).mkdir(parents=True, exist_ok=True)
            if not (workspace / MARK).exists():
                write_file(workspace / MARK, MARKED.encode())
            with tempfile.TemporaryFile(dir=workspace / "features"):  # nobody can have laid a link at its name
                pass
    except (OSError, NotWritableError) as error:
        raise _unwritable(workspace, error) from error
    image_folders.remember_waiting(workspace)


def check_workspace(workspace: Path) -> None:
    """Raises `InvalidInputError` where `make_workspace` would; leaves no trace."""
    wanted = workspace / "features"
    place = next(folder for folder in (wanted, *wanted.absolute().parents) if os.path.lexists(folder))
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise _unwritable(workspace, error) from error


def _unwritable(workspace: Path, error: OSError | NotWritableError) -> InvalidInputError:
    why = getattr(error, "strerror", None) or getattr(error.__cause__, "strerror", None) or str(error)
    return InvalidInputError(
        f"workspace must be a directory that can be written; got {str(workspace)!r} ({why}). "
        "Name another with --workspace."
    )
