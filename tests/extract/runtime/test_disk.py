"""Files that are written whole or not at all, on disks that are full, closed, or odd."""

import errno
import os
import re

import pytest

from extract.errors import InvalidInputError, StorageError
from extract.runtime import disk


def failing(number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_replaced_in_one_step_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    disk.write_file(path, b"new ", memoryview(b"whole"))
    assert path.read_bytes() == b"new whole"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_a_link_that_somebody_laid_there_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "a.json").symlink_to(tmp_path / "precious")
    disk.write_file(tmp_path / "a.json", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "a.json").read_bytes() == b"new"
    assert not (tmp_path / "a.json").is_symlink()


def test_a_full_disk_that_hdf5_meets_is_told_without_its_addresses(tmp_path):
    said = (
        "Can't close file (file write failed: time = Sat Nov 28, errno = 28, error message = 'No space left on device')"
    )
    expected = r"writing it failed \(No space left on device\)\. Free"
    with pytest.raises(StorageError, match=expected), disk.disk_errors(tmp_path / "a.h5"):
        raise RuntimeError(said)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_keeps_what_was_there_and_names_the_file_and_the_remedy(number, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(StorageError, match=re.escape(str(path)) + r".*Free some space"):
        disk.write_file(path, b"new")
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_place_that_must_not_be_written_is_the_users_to_change(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "open", failing(number))
    with pytest.raises(InvalidInputError, match="must be writable") as raised:
        disk.write_file(tmp_path / "a.json", b"new")
    assert isinstance(raised.value, StorageError)


@pytest.mark.parametrize("place", ["folder", "file/a.json"])
def test_what_stands_in_the_place_of_a_file_is_named_and_the_remedy_too(place, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=f"{place}' must be writable; got .*Move away what stands there"):
        disk.write_file(tmp_path / place, b"new")


def test_of_several_files_none_is_written_where_one_cannot_be(tmp_path):
    with pytest.raises(FileNotFoundError):
        disk.write_files({tmp_path / "a": b"a", tmp_path / "nowhere" / "b": b"b"})
    assert list(tmp_path.iterdir()) == []


def test_a_very_long_name_has_room_for_its_temporary_one(tmp_path):
    path = tmp_path / ("ж" * 127)
    disk.write_file(path, b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize("number", disk.UNSYNCABLE)
def test_a_file_system_that_refuses_to_sync_a_folder_is_taken_as_it_is(number, tmp_path, monkeypatch):
    def refuse(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    disk.sync(tmp_path)
    disk.write_file(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_file_that_cannot_be_synced_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(tmp_path / "a")
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(tmp_path)


@pytest.mark.parametrize(("times", "winerror"), [(3, disk.SHARING_VIOLATION), (3, 5), (999, 5), (1, None)])
def test_who_has_the_file_open_for_a_moment_is_waited_for(tmp_path, monkeypatch, times, winerror):
    path, real, left = tmp_path / "a.json", os.replace, list(range(times))

    def busy(source, target):
        if left:
            left.pop()
            error = PermissionError(errno.EACCES, "Access is denied", str(source))
            error.winerror = winerror  # which no other system has
            raise error
        real(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(disk, "BUSY_SECONDS", 0.2)
    if times == 3:
        disk.write_file(path, b"new")
        assert path.read_bytes() == b"new"
        return
    with pytest.raises(InvalidInputError, match="must be writable"):
        disk.write_file(path, b"new")
    assert list(tmp_path.iterdir()) == []
