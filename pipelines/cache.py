"""The one joblib.Memory of a workspace, and the one way to ask it.

The cached functions take a key (canonical JSON) and a context that is left out of the hash, and return a small
record. A failed write is an error here (joblib only warns), and what a record points to is checked before it
counts as cached. The cache is pickled by joblib: it is the user's own and is never read from elsewhere.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from filelock import FileLock
from joblib import Memory
from joblib._store_backends import CacheWarning
from joblib.memory import _FUNCTION_HASHES

from extract.errors import InvalidInput, PipelineError

_LOOKING: ContextVar[bool] = ContextVar("looking", default=False)


class Missing(PipelineError):
    """What was only looked for is not in the cache."""


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Inside it `ask` computes nothing and makes nothing: it answers from the cache or raises `Missing`."""
    token = _LOOKING.set(True)
    try:
        yield
    finally:
        _LOOKING.reset(token)


def is_looking() -> bool:
    """Whether this is inside `looking`."""
    return _LOOKING.get()


def find(
    stage: Callable[[str, Any], dict[str, Any]],
    key: str,
    *,
    workspace: Path,
    is_whole: Callable[[dict[str, Any]], bool],
) -> dict[str, Any] | None:
    """The cached record of `stage(key, ...)`, or None where there is none or `is_whole` denies its artifact.

    Makes no folder and writes nothing. A cache entry that cannot be read (half written) counts as none.
    """
    place = workspace / "cache"
    if not (place / "joblib" / Path(*stage.__module__.split("."), stage.__name__)).is_dir():
        return None
    record = _loaded(stage, key, place)
    if record is None:
        return None
    return record if is_whole(record) else None


def ask(
    stage: Callable[[str, Any], dict[str, Any]],
    key: str,
    *,
    context: Any,
    workspace: Path,
    is_whole: Callable[[dict[str, Any]], bool],
) -> tuple[dict[str, Any], bool]:
    """The record of `stage(key, context)` and whether it came from the cache.

    A cached record whose artifact `is_whole` denies is computed again.
    """
    if is_looking():
        found = find(stage, key, workspace=workspace, is_whole=is_whole)
        if found is None:
            raise Missing(f"{stage.__name__.strip('_')} must be in the cache; it is not.")
        return found, True
    make_workspace(workspace)
    record = _loaded(stage, key, workspace / "cache")
    if record is not None and is_whole(record):
        return record, True
    with warnings.catch_warnings():
        warnings.simplefilter("error", CacheWarning)
        try:
            record, _ = _cached(stage, workspace / "cache").call(key, context)
        except CacheWarning as warning:
            raise PipelineError(
                f"cache must be writable; {str(workspace / 'cache')!r} is not ({warning})."
            ) from warning
    return record, False


def _loaded(stage: Callable[..., Any], key: str, place: Path) -> dict[str, Any] | None:
    """What the cache holds, or None for nothing and for what is cut short. Called, joblib would compute instead."""
    try:
        with _code_locked(place):
            cached = _cached(stage, place)
            known = cached.check_call_in_cache(key, None)
        return cached._load_item((cached.func_id, cached._get_args_id(key, None))) if known else None
    except Exception:  # noqa: BLE001 (a pickle that is cut short raises anything)
        return None


@contextlib.contextmanager
def _code_locked(place: Path) -> Iterator[None]:
    """One process at a time: joblib wipes a cache whose file of the function's code it reads half written.

    Where nothing can be written nobody writes, and there is no lock.
    """
    lock = FileLock(place / ".code.lock")
    try:
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _cached(stage: Callable[..., Any], place: Path) -> Any:
    memory = Memory(str(place.resolve()), verbose=0)
    # joblib remembers, per process and not per folder, that it has written a function's code: a second workspace
    # of this process would go without, and the next process would compute everything in it again.
    _FUNCTION_HASHES.pop(stage, None)
    return memory.cache(stage, ignore=["context"])  # joblib's own types are unions of everything


def make_workspace(workspace: Path) -> None:
    """Makes the workspace and proves that it can be written; `InvalidInput` otherwise."""
    try:
        for folder in ("features", "runs", "cache"):
            (workspace / folder).mkdir(parents=True, exist_ok=True)
        probe = workspace / "features" / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"workspace must be a directory that can be written; got {str(workspace)!r} ({error.strerror}). "
            "Name another with --workspace."
        ) from error
