"""Facts about this machine, learned without importing torch, so that a cached answer stays fast."""

import ctypes
import functools
import importlib.metadata
import importlib.util
import math
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from extract.runtime import container

# What a processor may compute bfloat16 with, the best first, and the first of oneDNN's instruction sets that use it.
BF16_UNITS = {"amx_bf16": "AVX512_CORE_AMX", "avx512_bf16": "AVX512_CORE_BF16", "bf16": ""}
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # of CUdevice_attribute
# In ascending order, as ONEDNN_MAX_CPU_ISA names them (oneDNN, "CPU dispatcher control").
ONEDNN_ISAS = (
    *("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16"),
    *("AVX512_CORE_FP16", "AVX10_1_512", "AVX512_CORE_AMX", "AVX512_CORE_AMX_FP16", "AVX10_1_512_AMX"),
    *("AVX10_1_512_AMX_FP16", "AVX10_2_512", "AVX10_2_512_AMX_2"),
)
SPIN_COUNT = "1000"  # a hundredth of a millisecond, about; libgomp's own is a hundred times as many or more


@dataclass(frozen=True)
class Machine:
    """One computer as records name it.

    `core_count` and `memory_bytes` are what this process may use of it; `bf16_units` is what the processor computes
    bfloat16 with ("amx_bf16", "avx512_bf16", "bf16" on Arm, or "" for none); `cuda_device_count` counts CUDA devices
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
    return Machine(
        processor=_processor().get("model name") or platform.processor() or platform.machine(),
        core_count=core_count(),
        memory_bytes=memory_bytes(),
        bf16_units=bf16_units(),
        cuda_device_count=cuda_device_count(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def core_count() -> int:
    """Cores that this process may use: by its affinity and by its container's share, where they are fewer than all."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = container.core_limit()
    return count if share is None else max(min(count, math.ceil(share)), 1)


def memory_bytes() -> int:
    """Memory that this process may use: the machine's, or its container's where that is less."""
    import psutil

    return min(psutil.virtual_memory().total, container.memory_limit() or sys.maxsize)


def available_memory() -> int:
    """Bytes that this process may still take: by the machine, its container, and its own limit (`ulimit -v`)."""
    import psutil

    left = [psutil.virtual_memory().available, container.memory_left(), _address_space_left()]
    return min(one for one in left if one is not None)


def _address_space_left() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    import psutil

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else max(limit - psutil.Process().memory_info().vms, 0)


def thread_count() -> int:
    """Threads that compute here: one a core, or fewer where `chosen_threads` are."""
    return min(chosen_threads() or core_count(), core_count())


def chosen_threads() -> int | None:
    """The number in OMP_NUM_THREADS, which `--threads` sets; None where nobody chose one."""
    number = os.environ.get("OMP_NUM_THREADS", "")
    return int(number) if number.isdigit() and int(number) > 0 else None


def let_idle_threads_sleep() -> None:
    """Has OpenMP's threads wait for work asleep, not busy: for others decode files meanwhile. Changes no result.

    On two cores 24 photographs of 12 megapixels a second become features of resnet18 in place of 18. libgomp reads it
    when torch is first imported; later it does nothing. What the user has set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def idle_cores(seconds: float = 0.2) -> float:
    """Cores that this process may use and nobody does, on average over the next `seconds`, in which it waits."""
    import psutil

    own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(core_count())
    busy = psutil.cpu_percent(interval=seconds, percpu=True)
    return sum(1 - busy[core] / 100 for core in own if core < len(busy))


def bf16_units() -> str:
    """Processor units that compute bfloat16, "" for none: the best that exists and ONEDNN_MAX_CPU_ISA allows."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    allowed = ONEDNN_ISAS[: ONEDNN_ISAS.index(limit) + 1] if limit in ONEDNN_ISAS else ("", *ONEDNN_ISAS)
    flags = f"{_processor().get('flags', '')} {_processor().get('Features', '')}".split()
    return next((unit for unit, isa in BF16_UNITS.items() if unit in flags and isa in allowed), "")


def processor_has_bfloat16() -> bool:
    """Whether bfloat16 is multiplied in hardware; without that it is slower than float32."""
    return bool(bf16_units())


@functools.cache
def cuda_device_count() -> int:
    """CUDA devices that the driver shows and the installed torch build can use; 0 without either.

    Asks the driver itself (cuInit, cuDeviceGetCount), which honors CUDA_VISIBLE_DEVICES; importing
    torch for this would cost seconds. A build without CUDA can use none, nor can one that was built for a
    later major version of CUDA than the driver's.
    """
    built, driver = _cuda_of_torch(), _cuda_driver()
    if built is None or driver is None:
        return 0
    count = ctypes.c_int()
    version = ctypes.c_int()  # 1000 x major + 10 x minor
    codes = (driver.cuInit(0), driver.cuDriverGetVersion(ctypes.byref(version)))
    if any(codes) or version.value // 1000 < built or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


@functools.cache
def cuda_capability(index: int) -> tuple[int, int]:
    """The compute capability of a CUDA device, such as (8, 0), as the driver tells it; (0, 0) where it does not."""
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    driver = _cuda_driver()
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), index):
        return 0, 0
    for value, attribute in ((major, CAPABILITY_MAJOR), (minor, CAPABILITY_MINOR)):
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    return major.value, minor.value


def package_versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions, read from metadata without importing them."""
    return {name: importlib.metadata.version(name) for name in names}


def _cuda_driver() -> ctypes.CDLL | None:
    """NVIDIA's driver library; None without one, which is the ordinary case of a machine without a GPU."""
    try:
        return ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return None


def _cuda_of_torch() -> int | None:
    """The major version of CUDA that the installed torch was built for, read without importing it; None for none."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    found = re.search(r"^cuda\b.*?= *'(\d+)", Path(spec.origin).with_name("version.py").read_text(), re.MULTILINE)
    return int(found.group(1)) if found else None


@functools.cache
def _processor() -> dict[str, str]:
    """What Linux says of the first processor, by name; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    pairs = [line.partition(":") for line in lines]
    return {key.strip(): value.strip() for key, _, value in reversed(pairs)}
