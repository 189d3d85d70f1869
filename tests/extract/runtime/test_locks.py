"""Locks: exclusive, shared, on file systems that have none, and where nothing can be written."""

import errno
import os
import threading

import pytest

from extract.errors import InvalidInputError, NotWritableError
from extract.runtime import locks
from extract.runtime.locks import Lock

fcntl = pytest.importorskip("fcntl")


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch):
    monkeypatch.setattr(locks, "_said", [])


def test_two_exclude_each_other_and_the_second_says_that_it_waits(tmp_path, monkeypatch):
    path = tmp_path / "a.lock"
    monkeypatch.setattr(locks, "NOTICE_SECONDS", 0.1)
    with Lock(path) as first:
        assert not Lock(path).take(within=0.05)
        threading.Timer(0.4, first.free).start()
        with pytest.warns(locks.Waiting, match=r"waiting for another process, which holds '.*a\.lock'"), Lock(path):
            assert not first.take(within=0.0)


def test_shared_ones_exclude_only_the_others(tmp_path):
    path = tmp_path / "a.lock"
    with Lock(path, shared=True), Lock(path, shared=True):
        assert not Lock(path).take(within=0.0)
    assert Lock(path).take(within=0.0)


def test_a_lock_file_that_was_removed_meanwhile_guards_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.lock"
    real, removed = fcntl.flock, []

    def remove_first(descriptor, operation):
        if not removed:
            removed.append(path.unlink())
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with Lock(path):
        monkeypatch.undo()
        assert not Lock(path).take(within=0.0)


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "a.lock").symlink_to(tmp_path / "made")
    with pytest.raises(NotWritableError, match="symbolic links"):
        Lock(tmp_path / "a.lock").take(within=0.0)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_where_there_are_no_locks_they_are_given_and_that_is_said_once(number, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(locks.NoLocks, match="has no locks") as told, Lock(tmp_path / "a"), Lock(tmp_path / "b"):
        pass
    assert len(told) == 1


def test_a_shared_lock_is_given_where_nothing_can_be_written(tmp_path, monkeypatch):
    real = os.open

    def read_only(path, flags, *more):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", read_only)
    with Lock(tmp_path / "a.lock", shared=True):
        pass
    with pytest.raises(InvalidInputError, match="must be writable"):
        Lock(tmp_path / "a.lock").take()
