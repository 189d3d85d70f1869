"""The one joblib.Memory of a workspace, and the one way to ask it.

The cached functions take a key (canonical JSON) and a context that is left out of the hash, and return a small
record, whose shape is their return type. joblib keeps it as JSON with a checksum (`answers`). What is damaged,
foreign or of another shape counts as absent, and what an answer points to is checked before it counts as cached.
What a key means is versioned in the key itself, so that changed code of a function forgets nothing.
"""

import contextlib
import os
import tempfile
import typing
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from joblib import Memory, register_store_backend

from extract.data.walk import MARK
from extract.errors import InvalidInputError, NotWritableError, TransferBenchError
from extract.runtime.disk import disk_errors, write_file
from pipelines.workspace.store_backend import Answers

BACKEND = "checked answers"
Stage = Callable[[str, Any], Any]  # its return type is checked (`extract.runtime.typed_json`)
_LOOKING: ContextVar[bool] = ContextVar("looking", default=False)

register_store_backend(BACKEND, Answers)


class CacheMissError(TransferBenchError):
    """What was only looked for is not in the cache."""


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
    stage: Stage, key: str, *, workspace: Path, is_whole: Callable[[dict[str, Any]], bool]
) -> dict[str, Any] | None:
    """The cached record of `stage(key, ...)`, or None where there is none or `is_whole` denies its artifact.

    Makes no folder and writes nothing. An answer that is not whole counts as none.
    """
    cached = _cached(stage, workspace)
    if not cached.check_call_in_cache(key, None):
        return None
    record = cached.call_and_shelve(key, None).get()
    return record if is_whole(record) else None


def ask(
    stage: Stage, key: str, *, context: Any, workspace: Path, is_whole: Callable[[dict[str, Any]], bool]
) -> tuple[dict[str, Any], bool]:
    """The record of `stage(key, context)` and whether it came from the cache.

    A cached record whose artifact `is_whole` denies is computed again.
    """
    found = find(stage, key, workspace=workspace, is_whole=is_whole)
    if found is not None:
        return found, True
    if is_looking():
        raise CacheMissError(f"{stage.__name__.strip('_')} must be in the cache; it is not.")
    make_workspace(workspace)
    cached = _cached(stage, workspace)
    cached.call(key, context)
    return cached.call_and_shelve(key, None).get(), False  # as it was kept: it is the same now and later


def _cached(stage: Stage, workspace: Path) -> Any:
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
