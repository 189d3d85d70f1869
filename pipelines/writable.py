"""Whether a file can be written where the user wants it: asked before the work, whose result would be lost after it."""

import errno
import os
import tempfile
from pathlib import Path

from extract.errors import InvalidInput


def check(thing: str, path: Path, *, replaced: bool = False) -> None:
    """Raises `InvalidInput`, naming the `thing`, unless a file can be written at `path`. Leaves no trace.

    `replaced` says that a file that stands there is replaced by a new one, and not opened.
    """
    try:
        if path.is_dir():
            raise _error(errno.EISDIR)
        if replaced or not path.exists():
            with tempfile.TemporaryFile(dir=path.parent):  # root may do what the mode of a folder forbids: try it
                return
        if not os.access(path, os.W_OK):  # not opened: it may be a pipe, whose reader would take that for the end
            raise _error(errno.EACCES)
    except OSError as error:
        raise InvalidInput(
            f"{thing} must be a file that can be written; got {str(path)!r} ({error.strerror}). Name another."
        ) from error


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
