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

# What a processor may compute bfloat16 with, the best first, and the first of oneDNN's instruction sets that use it.
BF16_UNITS = {"amx_bf16": "AVX512_CORE_AMX", "avx512_bf16": "AVX512_CORE_BF16", "bf16": ""}
# In ascending order, as ONEDNN_MAX_CPU_ISA names them (oneDNN, "CPU dispatcher control").
ONEDNN_ISAS = (
    *("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16"),
    *("AVX512_CORE_FP16", "AVX10_1_512", "AVX512_CORE_AMX", "AVX512_CORE_AMX_FP16", "AVX10_1_512_AMX"),
    *("AVX10_1_512_AMX_FP16", "AVX10_2_512", "AVX10_2_512_AMX_2"),
)


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

    return Machine(
        processor=_processor_name(),
        core_count=core_count(),
        memory_bytes=psutil.virtual_memory().total,
        bf16_units=bf16_units(),
        cuda_device_count=cuda_device_count(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def core_count() -> int:
    """Cores that this process may use (its affinity, not the machine's total where the two differ)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bf16_units() -> str:
    """What bfloat16 is computed with, "" for none: the best that the processor has and ONEDNN_MAX_CPU_ISA allows."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    allowed = ONEDNN_ISAS[: ONEDNN_ISAS.index(limit) + 1] if limit in ONEDNN_ISAS else ("", *ONEDNN_ISAS)
    return next((unit for unit, isa in BF16_UNITS.items() if unit in _processor_flags() and isa in allowed), "")


def processor_has_bfloat16() -> bool:
    """Whether bfloat16 is multiplied in hardware; without that it is slower than float32."""
    return bool(bf16_units())


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
