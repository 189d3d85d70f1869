"""Device, precision, threads, randomness and time: how a computation runs, apart from what it computes.

Resolving names needs no torch; what computes imports it inside.
"""

import contextlib
import math
import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from extract.errors import InvalidInputError, UnavailableError
from extract.runtime.machine import (
    chosen_threads,
    cuda_capability,
    cuda_device_count,
    idle_cores,
    processor_has_bfloat16,
)

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
STORAGE_BYTES = {"float16": 2, "float32": 4}  # of a number, by the dtype of stored features
ENGINES = ("auto", "eager", "compiled", "openvino")  # what computes the forward pass of a frozen network
_SEEDING = threading.RLock()


def resolve_device(device: "str | torch.device") -> str:
    """ "cpu" or "cuda:N" for `auto`, `cpu`, `cuda` or `cuda:N`; `auto` is the first GPU that torch was built for."""
    device = str(device)
    matched = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", device)
    if not matched:
        raise InvalidInputError(f"device must be auto, cpu, cuda or cuda:N; got {device!r}. Use --device auto.")
    if device == "cpu":
        return "cpu"
    count = cuda_device_count()
    if device == "auto":
        return next((f"cuda:{index}" for index in range(count) if torch_runs_on(index)), "cpu")
    index = int(matched.group(1) or 0)
    if index >= count:
        raise InvalidInputError(
            f"device must be one of the {count} CUDA devices here; got {device!r}. Use --device cpu."
        )
    return f"cuda:{index}"


def torch_runs_on(index: int) -> bool:
    """Whether the installed torch has code for a CUDA device.

    Every build has some for capabilities from 8.0 to below 10: only for other ones it is asked, which imports it.
    """
    major, minor = cuda_capability(index)
    if (8, 0) <= (major, minor) < (10, 0):
        return True
    import torch

    found = [re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", name) for name in torch.cuda.get_arch_list()]
    built = [(one[1], int(one[2]), int(one[3])) for one in found if one]
    return any(
        (name == "sm" and at == major and least <= minor) or (name == "compute" and (at, least) <= (major, minor))
        for name, at, least in built
    )


def resolve_precision(precision: str, device: str) -> str:
    """The arithmetic of the network: "float32", "bfloat16" or "float16".

    `auto` is bfloat16 where the hardware multiplies it (CUDA devices from capability 8.0, CPUs with bf16 units), else
    float32; older GPUs only emulate it. float16 needs a GPU.
    """
    if precision not in PRECISIONS:
        raise InvalidInputError(f"precision must be one of {', '.join(PRECISIONS)}; got {precision!r}.")
    on_cpu = device == "cpu"
    if precision == "auto":
        has_units = (
            processor_has_bfloat16() if on_cpu else cuda_capability(int(device.partition(":")[2] or 0)) >= (8, 0)
        )
        return "bfloat16" if has_units else "float32"
    if precision == "float16" and on_cpu:
        raise InvalidInputError("precision must be float32 or bfloat16 on a CPU; got 'float16'. Use --precision auto.")
    return precision


def automatic_batch_size(device: str, image_size: int | None) -> int:
    """Images per step that keep the device busy: a power of two, for square images of `image_size` pixels (None: 224).

    On a CPU the activations of a step should stay near its caches: at 224 pixels, 8 images are as fast as 32 for
    resnet50 (48 images a second) and faster for vgg16_bn (13.1 and 11.6) and tf_efficientnet_lite0 (274 and 171;
    two Zen 4 cores, bfloat16, compiled).
    """
    if device.startswith("cuda"):
        return 256
    fitting = 8 * (224 / (image_size or 224)) ** 2
    return int(min(max(2 ** math.floor(math.log2(fitting)), 2), 256))


def torch_device(device: str) -> "torch.device":
    """The torch device for a resolved name, checked to be usable."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UnavailableError(
            f"device {device} must be usable by torch {torch.__version__}; the driver shows it, torch cannot use it. "
            "Update the driver or use --device cpu."
        )
    return torch.device(device)


def torch_dtype(precision: str) -> "torch.dtype":
    """The torch dtype for a resolved precision."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def channels_last(module: "torch.nn.Module", place: "torch.device | None" = None) -> "torch.nn.Module":
    """`module`, moved to `place`, its 2-D kernels in channels-last order in place.

    torch's own `to(memory_format=...)` refuses a module that has 3-D kernels too.
    """
    import torch

    module = module if place is None else module.to(place)
    for one in (*module.parameters(), *module.buffers()):
        if one.ndim == 4:
            one.data = one.data.contiguous(memory_format=torch.channels_last)
    return module


def split_graph() -> None:
    """Compiled, what follows is a graph of its own; so what came before is computed once and lies in memory.

    Inductor puts it into the loops that read it, which then compute it again at every reading and step oddly
    (`benchmarks.preparation`). An exported graph stays whole.
    """
    import torch

    if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        torch._dynamo.graph_break()


# Below so many floating-point operations an operator is over before a second thread has woken up: resnet20 of half
# width on 8 x 8 pixels trains 1.1 to 4 times as fast on one of two cores, and 10 times on a busy machine.
SHARED_FROM_FLOPS = 5e6


def shares_threads(flops: float, *, operators: int) -> bool:
    """Whether steps of `flops` in so many `operators` are large enough for more than one CPU thread."""
    return flops >= SHARED_FROM_FLOPS * operators


def threads_for(flops: float, *, operators: int) -> int:
    """CPU threads for steps of `flops` in so many `operators`: 1 where these are too small, else one an idle core.

    Where the user has chosen a number (`--threads`, OMP_NUM_THREADS), idle cores do not matter. Beside one busy
    process on two cores, two threads train at 0.3 to 0.4 of the quiet speed and one at 0.6, because the first always
    waits for the second. The last bits of a result depend on the number.
    """
    import torch

    limit = torch.get_num_threads()
    if limit == 1 or not shares_threads(flops, operators=operators):
        return 1
    return limit if chosen_threads() else max(min(round(idle_cores()), limit), 1)


@contextlib.contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Runs its body with torch on `count` CPU threads (None leaves them), and restores the old number."""
    import torch

    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Runs its body with torch's generator of the processor at `seed`, and puts it back; one thread at a time, since
    all have the one generator. Those of GPUs, which `torch.manual_seed` would seed too, are left alone.
    """
    import torch

    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))  # of numpy's numbers too
        yield


class Stopwatch:
    """Seconds since it was made, with the device's queued work finished before every reading.

    Raises `UnavailableError` for a device that torch cannot use.
    """

    def __init__(self, device: str = "cpu") -> None:
        if device.startswith("cuda"):
            torch_device(device)
        self._device = device
        self._start = self._now()

    def seconds(self) -> float:
        """Wall seconds since the stopwatch was made."""
        return self._now() - self._start

    def _now(self) -> float:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self._device)
        return time.perf_counter()
