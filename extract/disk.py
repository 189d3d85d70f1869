"""The disk under a feature file: room taken in time, durability, and errors that say what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from extract.errors import InvalidInput, PipelineError


def reserve(path: Path, byte_count: int) -> None:
    """Takes room on the disk now, where the system can: a disk too small is an error before hours of work."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b" if path.exists() else "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, byte_count)
        except OSError:
            path.unlink()
            raise


def sync(path: Path) -> None:
    """Returns when what was written to the file or folder at `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Errors of its body while it writes `path` as sentences: `PipelineError` for a full disk, `InvalidInput` for a
    place that must not be written; any other as it came."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, PipelineError):
            raise
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left" in str(error):
            raise PipelineError(
                f"disk must have room for the features; writing {str(path)!r} failed ({error}). "
                "Free some space or use another --workspace."
            ) from error
        if number in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise InvalidInput(f"workspace must be writable; got {str(path.parent)!r} ({error}).") from error
        raise
