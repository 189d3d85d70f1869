"""Files that the user named: whether they can be written, asked before the work, and writing them whole."""

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from extract.errors import InvalidInputError, NotWritableError
from extract.runtime.disk import disk_errors, write_file

STREAMS = ("/dev/", "/proc/")  # what lies there stands for something that is open already, such as /dev/stdout
MEMORY = "/dev/shm/"  # but there lie files, in memory


def check(thing: str, path: Path, *, stream: bool = True, kinds: Sequence[str] = ()) -> None:
    """Raises `InvalidInputError`, naming the `thing`, unless a file can be written at `path`. Leaves no trace.

    `stream` says that a pipe or a terminal will do as well; another name must end in one of the `kinds`, if there are.
    """
    if kinds and path.suffix.lower() not in kinds and not (stream and _is_stream(path)):
        ends = ", ".join(kinds)
        raise InvalidInputError(f"{thing} must be a file that ends in {ends}; got {str(path)!r}. Rename it.")
    try:
        if path.is_dir():
            raise _error(errno.EISDIR)
        if not _is_stream(path):
            with tempfile.TemporaryFile(dir=path.parent):  # root may do what the mode of a folder forbids: try it
                return
        if not stream:
            raise _error(errno.ENODEV)
        if not os.access(path, os.W_OK):  # not opened: it may be a pipe, whose reader would take that for the end
            raise _error(errno.EACCES)
    except OSError as error:
        raise _refused(thing, path, error.strerror) from error


def write(thing: str, path: Path, content: str | bytes) -> None:
    """Makes `content` the file at `path`, in one step; into a pipe or a terminal it is written as it is.

    A half written file is never left, and an earlier one stays until the new one is whole. Raises `InvalidInputError`,
    naming the `thing`, where nothing can be written, and `StorageError` where the disk is full.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        if not _is_stream(path):
            write_file(path, data)
            return
        with disk_errors(path):
            path.write_bytes(data)
    except NotWritableError as error:
        raise _refused(thing, path, getattr(error.__cause__, "strerror", None)) from error
    except OSError as error:
        raise _refused(thing, path, error.strerror) from error


def folder(thing: str, path: Path, *, named: Path, remedy: str) -> None:
    """Makes the directory `path`, for the user has `named` a place of the `thing`; `InvalidInputError` if it cannot."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = os.strerror(errno.ENOTDIR) if isinstance(error, FileExistsError) else error.strerror
        raise InvalidInputError(
            f"{thing} must go to a place that can be written; got {str(named)!r} ({why}). {remedy}"
        ) from error


def _is_stream(path: Path) -> bool:
    """Whether something other than a file stands there, which must not be replaced by one."""
    special = (
        os.name == "posix" and (place := str(path.absolute())).startswith(STREAMS) and not place.startswith(MEMORY)
    )
    return special or (path.exists() and not path.is_file())


def _refused(thing: str, path: Path, why: str | None) -> InvalidInputError:
    return InvalidInputError(f"{thing} must be a file that can be written; got {str(path)!r} ({why}). Name another.")


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
