"""The peak of one computation, not of all that its process has done."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch

from extract.errors import OutOfMemoryError
from extract.runtime import memory
from extract.runtime.memory import Peak, enough_for

LARGE = 400_000_000
linux = pytest.mark.skipif(not memory.CLEAR_REFS.exists(), reason="only Linux can set the peak of a process back")


def take(byte_count: int) -> None:
    np.ones(byte_count, dtype=np.uint8)


@linux
def test_what_was_taken_before_does_not_count_and_what_is_given_back_does():
    take(LARGE)
    peak = Peak()
    before = peak.bytes()
    take(LARGE // 2)
    after = peak.bytes()
    assert before is not None
    assert after is not None
    assert LARGE // 2 <= after - before + 20_000_000 < LARGE
    take(1000)
    assert peak.bytes() == after


@linux
def test_a_measurement_within_another_takes_nothing_from_it():
    outer = Peak()
    take(LARGE)
    inner = Peak()
    within, without = inner.bytes(), outer.bytes()
    assert within is not None
    assert without is not None
    assert without > within + LARGE // 2


def test_where_the_peak_cannot_be_set_back_it_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "no" / "clear_refs")
    assert Peak().bytes() is None
    monkeypatch.setattr(memory, "STATUS", Path(__file__))
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "clear_refs")
    assert Peak().bytes() is None


def test_a_measurement_that_is_over_is_forgotten():
    gc.collect()
    before = len(memory._MEASURING)  # those that a test before this one left alive
    one = Peak()
    assert one in memory._MEASURING
    del one
    gc.collect()
    assert len(memory._MEASURING) <= before


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.00 GiB for an array"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: not enough memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_every_way_in_which_memory_runs_out_is_one_sentence(error):
    with (
        pytest.raises(OutOfMemoryError, match=r"^memory must be enough for it; it was used up\. Use less\.$"),
        enough_for("it", remedy="Use less"),
    ):
        raise error


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes"), enough_for("it", remedy="Use less"):
        raise RuntimeError("shapes do not fit")
