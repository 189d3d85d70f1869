"""`extract.runtime.machine`: what the driver and torch's build say of GPUs, with a driver of the test's own."""

import ctypes

import pytest
import torch

from extract.runtime import machine


class Driver:
    """Answers as libcuda does, with a version (1000 x major + 10 x minor) and a number of devices."""

    def __init__(self, version: int, count: int) -> None:
        self.version, self.count = version, count

    def cuInit(self, flags: int) -> int:
        """0: no error."""
        return 0

    def cuDriverGetVersion(self, place) -> int:
        """Writes the version."""
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = self.version
        return 0

    def cuDeviceGetCount(self, place) -> int:
        """Writes the count."""
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = self.count
        return 0


@pytest.mark.parametrize(
    ("version", "built", "expected"), [(13010, 13, 2), (12080, 13, 0), (13010, 12, 2), (12080, 12, 2), (13010, None, 0)]
)
def test_a_driver_older_than_torch_was_built_for_shows_no_device(monkeypatch, version, built, expected):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: Driver(version, 2))
    monkeypatch.setattr(machine, "_cuda_of_torch", lambda: built)
    machine.cuda_device_count.cache_clear()
    try:
        assert machine.cuda_device_count() == expected
    finally:
        machine.cuda_device_count.cache_clear()


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        ("amx_bf16 avx512_bf16", None, "amx_bf16"),
        ("amx_bf16 avx512_bf16", "AVX512_CORE_AMX", "amx_bf16"),
        ("amx_bf16 avx512_bf16", "avx512_core_bf16", "avx512_bf16"),
        ("amx_bf16 avx512_bf16", "AVX512_CORE", ""),
        ("avx512_bf16", "AVX2", ""),
        ("avx512_bf16", "DEFAULT", "avx512_bf16"),
        ("bf16", None, "bf16"),
        ("avx2", None, ""),
    ],
)
def test_bfloat16_units_are_those_that_onednn_may_use(monkeypatch, flags, limit, expected):
    monkeypatch.setattr(machine, "_processor", lambda: {"flags": flags})
    if limit is None:
        monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    else:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert machine.bf16_units() == expected
    assert machine.processor_has_bfloat16() == bool(expected)


def test_torch_s_own_cuda_version_is_read_without_importing_it():
    assert machine._cuda_of_torch() == (int(torch.version.cuda.split(".")[0]) if torch.version.cuda else None)
