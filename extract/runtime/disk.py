"""The disk: room taken in time, files written whole or not at all, durability, and errors that say what to do."""

import contextlib
import errno
import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from extract.errors import NotWritableError, StorageError, TransferBenchError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")  # in errors of HDF5 and safetensors
FORBIDDEN = (errno.EACCES, errno.EROFS, errno.EPERM)
OCCUPIED = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP)  # by what it is not
SYNC_ACCESS = os.O_RDWR if os.name == "nt" else os.O_RDONLY  # Windows syncs only what is open for writing
UNSYNCABLE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES, errno.EBADF, errno.EISDIR)
SHARING_VIOLATION = 32  # what Windows says of a file that a process has open
BUSY = (SHARING_VIOLATION, 5)  # or else that access is denied
BUSY_SECONDS = 2.0
TEMPORARY = r"\.[0-9a-f]{32}\.partial"  # the end of a file's name before it is whole, as a regular expression
KEPT_OF_NAME = 40  # letters of the file's own name in its temporary one: 255 bytes are the most that a name may have


def reserve(path: Path, byte_count: int) -> None:
    """Takes room on the disk now, where the system can: a disk too small is an error before hours of work."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b" if path.exists() else "xb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, byte_count)
        except OSError:
            path.unlink()
            raise


def sync(path: Path) -> None:
    """Returns when what was written to the file or folder at `path` is on the disk.

    Some file systems (SMB, some of FUSE) refuse this for a folder: what is in it is as durable there as can be.
    """
    try:
        descriptor = os.open(path, SYNC_ACCESS)
    except PermissionError:
        if path.is_dir():  # Windows opens none
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSYNCABLE or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def write_file(path: Path, *parts: bytes | memoryview) -> None:
    """Makes `parts` the content of the file at `path`, durably, in one step: whatever happens, what was there stays.

    A link at `path` is replaced, not followed. Raises as `disk_errors` does.
    """
    with replacing(path) as temporary:
        _fill(temporary, *parts)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """As `write_file` for several files, which take their places one after another, or, where one cannot be written,
    none of them."""
    with contextlib.ExitStack() as stack:
        for path, content in reversed(list(contents.items())):  # a stack ends with what came first
            _fill(stack.enter_context(replacing(path)), content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path`, which takes its place when the body has ended well, and is removed otherwise.

    For what must be given a path to write to; everything else uses `write_file`. Its name cannot be guessed, so that
    nobody can have put a link there.
    """
    temporary = path.with_name(f"{path.name[:KEPT_OF_NAME]}.{uuid.uuid4().hex}.partial")
    with disk_errors(path):
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            sync(temporary)
            move(temporary, path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Gives the file `source` the name `target`, whatever stands there.

    Windows refuses that while anybody has either open: a virus scanner or a reader, for a moment, which is waited for.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError as error:
            if getattr(error, "winerror", None) not in BUSY or time.monotonic() > deadline:
                raise
        time.sleep(BUSY_SECONDS / 100)


def _fill(path: Path, *parts: bytes | memoryview) -> None:
    with path.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(path: Path) -> None:
    """Makes the folder at `path`, and those above it, where they are not yet. Raises as `disk_errors` does."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Errors of its body while it writes `path` as sentences: `StorageError` for a full disk, `NotWritableError` for a
    place that must not be written; any other as it came."""
    try:
        yield
    except Exception as error:  # HDF5 raises RuntimeError too, safetensors an error of its own
        if (failure := storage_error(error, path)) is not None:
            raise failure from error
        raise


def storage_error(error: BaseException, path: Path | str | None = None) -> StorageError | None:
    """The `StorageError` for `error`, met while `path` was written (None: the file that the error names)."""
    if isinstance(error, TransferBenchError):
        return None
    number, place = getattr(error, "errno", None), path or getattr(error, "filename", None)
    what = repr(str(place)) if place else "a file"
    if number in FULL or any(words in str(error) for words in FULL_WORDS):
        return StorageError(
            f"disk must have room for {what}; writing it failed ({_reason(error)}). "
            "Free some space, or write to another disk: --workspace names one for all that is kept."
        )
    if number in FORBIDDEN:
        return NotWritableError(f"{what} must be writable; got {_reason(error)}. Name another place, or allow it.")
    if number in OCCUPIED:
        return NotWritableError(
            f"{what} must be writable; got {_reason(error)}. Move away what stands there, or name another place."
        )
    return None


def _reason(error: BaseException) -> str:
    said = next((words for words in FULL_WORDS if words in str(error)), None)  # HDF5: among addresses and descriptors
    return said or getattr(error, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
