"""What is freed stays inside and is given back afterwards."""

import contextlib
import sys

import numpy as np
import psutil
import pytest

from extract.runtime import allocator
from extract.runtime.allocator import _glibc, memory_kept

SIZE = 300_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux" or _glibc() is None, reason="only glibc is told to keep memory")


def resident() -> int:
    return psutil.Process().memory_info().rss


def taken_and_freed() -> None:
    np.ones(SIZE, dtype=np.uint8)


def test_freed_memory_is_kept_inside_and_given_back_at_the_end():
    before = resident()
    with memory_kept():
        taken_and_freed()
        kept = resident()
        taken_and_freed()
        again = resident()
    after = resident()
    assert kept - before > SIZE / 2
    assert again - kept < SIZE / 2
    assert kept - after > SIZE / 2


def test_the_outermost_counts_also_where_an_error_ends_it(monkeypatch):
    settings, real = [], allocator._set
    monkeypatch.setattr(allocator, "_set", lambda values: settings.append(values) or real(values))
    with memory_kept():
        with contextlib.suppress(ZeroDivisionError), memory_kept():
            taken_and_freed()
            raise ZeroDivisionError
        kept = resident()
    assert kept - resident() > SIZE / 2
    assert settings == [allocator.KEEPING, allocator.USUAL]
