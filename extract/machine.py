"""What this machine is, learned without importing torch, so that a cached answer stays fast."""

import ctypes
import functools
import importlib.metadata
import importlib.util
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

BF16_FLAGS = {"amx_bf16", "avx512_bf16", "bf16"}


@dataclass(frozen=True)
class Machine:
    """One computer as records name it.

    `memory_bytes` is the physical memory; `bf16_units` is what the processor computes bfloat16 with
    ("amx_bf16", "avx512_bf16", "bf16" on Arm, or "" for none); `cuda_device_count` counts CUDA devices
    that the installed torch build can use.
    """

    processor: str
    core_count: int
    memory_bytes: int
    bf16_units: str
    cuda_device_count: int
    system: str
    python: str


@functools.cache
def machine() -> Machine:
    """The facts about this machine, read once per process."""
    import psutil

    flags = _processor_flags()
    return Machine(
        processor=_processor_name(),
        core_count=core_count(),
        memory_bytes=psutil.virtual_memory().total,
        bf16_units=next((flag for flag in ("amx_bf16", "avx512_bf16", "bf16") if flag in flags), ""),
        cuda_device_count=cuda_device_count(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def core_count() -> int:
    """Cores that this process may use (its affinity, not the machine's total where the two differ)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware; without that, bfloat16 is slower than float32."""
    return bool(BF16_FLAGS & _processor_flags())


@functools.cache
def cuda_device_count() -> int:
    """CUDA devices that the driver shows and the installed torch build can use; 0 without either.

    Asks the driver itself (cuInit, cuDeviceGetCount), which honours CUDA_VISIBLE_DEVICES; importing
    torch for this would cost seconds. A build without CUDA can use none, nor can one that was built for a
    later major version of CUDA than the driver's.
    """
    built = _cuda_of_torch()
    if built is None:
        return 0
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return 0  # no driver is the ordinary case of a machine without a GPU
    count = ctypes.c_int()
    version = ctypes.c_int()  # 1000 x major + 10 x minor
    asked = (driver.cuInit(0), driver.cuDriverGetVersion(ctypes.byref(version)))
    if any(asked) or version.value // 1000 < built or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def package_versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions, read from metadata without importing them."""
    return {name: importlib.metadata.version(name) for name in names}


def _cuda_of_torch() -> int | None:
    """The major version of CUDA that the installed torch was built for, read without importing it; None for none."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    found = re.search(r"^cuda\b.*?= *'(\d+)", Path(spec.origin).with_name("version.py").read_text(), re.MULTILINE)
    return int(found.group(1)) if found else None


@functools.cache
def _processor_flags() -> frozenset[str]:
    for line in _cpuinfo():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _processor_name() -> str:
    for line in _cpuinfo():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(errors="replace").splitlines() if path.exists() else []
