"""Locks between processes: a file that the system unlocks when its holder dies, whatever it dies of."""

import contextlib
import errno
import os
import time
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path

from extract.runtime.disk import FORBIDDEN, disk_errors

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

KEEPS_OPEN_FILES = fcntl is None  # Windows removes no file that is open, be it only in the process that removes it
POLL_SECONDS = 0.05
NOTICE_SECONDS = 1.0  # of waiting without a word
HELD = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK)
LACKING = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)

_said: list[str] = []  # told once a process


class NoLocks(UserWarning):
    """A file system that has no locks, on which two processes at once are not kept apart."""


class Waiting(UserWarning):
    """Another process has what this one needs."""


class Patience:
    """Waits for `what` in short steps, so that a signal is obeyed meanwhile, and soon says so, once (`Waiting`)."""

    def __init__(self, what: str, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._what, self._poll_seconds = what, poll_seconds
        self._begun, self._is_said = time.monotonic(), False

    def step(self) -> None:
        """Sleeps a moment."""
        if not self._is_said and time.monotonic() - self._begun >= NOTICE_SECONDS:
            self._is_said = True
            warnings.warn(f"waiting for another process, which holds {self._what}", Waiting, stacklevel=3)
        time.sleep(self._poll_seconds)


class Lock:
    """The lock file at `path`; `shared` locks exclude only those that are not.

    As a context manager it waits, and says so after a second (`Waiting`). Where the file system has no locks it is
    given all the same, with a warning (`NoLocks`), once a process. A shared one is given where nothing can be written.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path, self._shared = path, shared
        self._descriptor: int | None = None
        self._is_held = False

    def __enter__(self) -> "Lock":
        self.take()
        return self

    def __exit__(self, *exception: object) -> None:
        self.free()

    def take(self, *, within: float | None = None) -> bool:
        """Whether it is held now, after waiting at most `within` seconds (None: as long as it takes, which it says)."""
        deadline = None if within is None else time.monotonic() + within
        patience = Patience(repr(str(self.path)))
        while not self._taken():
            if deadline is not None and time.monotonic() >= deadline:
                return False
            if deadline is None:
                patience.step()
            else:
                time.sleep(POLL_SECONDS)
        return True

    def free(self) -> None:
        """Frees it; nothing where it is not held."""
        descriptor, self._descriptor, self._is_held = self._descriptor, None, False
        if descriptor is None:
            return
        with contextlib.suppress(OSError):
            _unlock(descriptor)  # by itself it would stay locked as long as a forked child has it open
        os.close(descriptor)

    def _taken(self) -> bool:
        if self._is_held:
            return True
        with disk_errors(self.path):
            descriptor = self._opened()
        if descriptor is None:
            self._is_held = True
            return True
        try:
            if _is_locked(descriptor, shared=self._shared, notify=self.path) and _is_at(self.path, descriptor):
                self._descriptor, descriptor, self._is_held = descriptor, None, True
        finally:
            if descriptor is not None:
                os.close(descriptor)
        return self._is_held

    def _opened(self) -> int | None:
        """The lock file, open; None where a shared lock needs none, since nobody can write there."""
        flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            return os.open(self.path, flags | os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if not self._shared or error.errno not in FORBIDDEN:
                raise
        with contextlib.suppress(FileNotFoundError, PermissionError):
            return os.open(self.path, flags | os.O_RDONLY)
        return None


def keep_while(owner: object, path: Path) -> bool:
    """Whether the file at `path` is there; if so, `unkept` denies it as long as `owner` lives, here or elsewhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return False
    weakref.finalize(owner, os.close, descriptor)
    while not _is_locked(descriptor, shared=True):  # by who is just about to remove it
        time.sleep(POLL_SECONDS)
    return path.exists() and os.path.samestat(os.stat(path), os.fstat(descriptor))


@contextlib.contextmanager
def unkept(path: Path) -> Iterator[bool]:
    """Whether nobody keeps the file at `path` (see `keep_while`), and nobody begins to while the body runs."""
    if KEEPS_OPEN_FILES:  # as who removes it will see
        yield True
        return
    way = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY  # NFS wants it open for writing
    try:
        descriptor = os.open(path, way | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        yield True
        return
    try:
        yield _is_locked(descriptor, shared=False)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int, *, shared: bool, notify: Path | None = None) -> bool:
    """Whether it is locked now; on a file system without locks it counts as that, as a warning says of `notify`."""
    try:
        _lock(descriptor, shared=shared)
    except OSError as error:
        if error.errno in HELD:
            return False
        if error.errno not in LACKING:
            raise
        if notify is not None and not _said:
            _said.append(str(notify))
            warnings.warn(
                f"the file system of {str(notify.parent)!r} has no locks: run one command at a time there, for two at "
                "once may compute the same twice",
                NoLocks,
                stacklevel=2,
            )
    return True


def _lock(descriptor: int, *, shared: bool) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return
    if shared:  # Windows has no shared lock of this kind, and removes no file that is open
        return
    import msvcrt  # pyright: ignore[reportAttributeAccessIssue]

    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the one at `path`: it may have been removed since, and made anew by another."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False
