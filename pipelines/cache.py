"""The one joblib.Memory of a workspace, and the one way to ask it.

The cached functions take a key (canonical JSON) and a context that is left out of the hash, and return a small
record. A failed write is an error here (joblib only warns), and what a record points to is checked before it
counts as cached. The cache is pickled by joblib: it is the user's own and is never read from elsewhere.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joblib import Memory
from joblib._store_backends import CacheWarning

from extract.errors import InvalidInput, PipelineError


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
    make_workspace(workspace)
    memory = Memory(str((workspace / "cache").resolve()), verbose=0)
    cached: Any = memory.cache(stage, ignore=["context"])  # joblib's own types are unions of everything
    if cached.check_call_in_cache(key, context):
        record = cached(key, context)
        if is_whole(record):
            return record, True
    with warnings.catch_warnings():
        warnings.simplefilter("error", CacheWarning)
        try:
            record, _ = cached.call(key, context)
        except CacheWarning as warning:
            raise PipelineError(
                f"cache must be writable; {str(workspace / 'cache')!r} is not ({warning})."
            ) from warning
    return record, False


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
