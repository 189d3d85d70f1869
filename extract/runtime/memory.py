"""Peak memory of a computation: of the GPU where it runs on one, else of this process."""

import contextlib
import re
import weakref
from collections.abc import Iterator
from pathlib import Path

from extract.errors import OutOfMemoryError

CLEAR_REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
RESET_PEAK = "5"  # man 5 proc: sets the peak resident set size to the present one
OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|alloc_cpu|bad_alloc|failed to allocate|cannot allocate memory|_alloc_failed"
    r"|could not create a memory",
    re.IGNORECASE,
)

_MEASURING: "weakref.WeakSet[Peak]" = weakref.WeakSet()


@contextlib.contextmanager
def enough_for(work: str, *, remedy: str) -> Iterator[None]:
    """Turns every way in which memory runs out inside the body into one `OutOfMemoryError` with a `remedy`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"memory must be enough for {work}; it was used up. {remedy}.") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's and numpy's `MemoryError`, or what torch, oneDNN and CUDA's libraries say."""
    return isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)) is not None


class Peak:
    """The most memory that was taken since it was made; on a CPU by the whole process, other threads included.

    The system counts one peak a process. Whoever begins to measure sets it back, and so lets those who measure
    already note it before: a training that extracts features on its way counts them in. `bytes` is None where the
    peak cannot be set back, as outside Linux.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        for one in list(_MEASURING):
            one._note()
        self._highest = 0
        self._counts = _reset(device)
        _MEASURING.add(self)

    def bytes(self) -> int | None:
        """The peak so far, in bytes; None where it is not known."""
        self._note()
        return self._highest if self._counts else None

    def _note(self) -> None:
        if self._counts and self._device.startswith("cuda"):
            import torch

            self._highest = max(self._highest, torch.cuda.max_memory_allocated(self._device))
        elif self._counts:
            self._highest = max(self._highest, _resident_peak() or 0)


def _reset(device: str) -> bool:
    """Sets the peak back to what is taken now; whether that can be done."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.init()  # before it there is nothing to set back, and torch refuses
        torch.cuda.reset_peak_memory_stats(device)
        return True
    with contextlib.suppress(OSError):
        CLEAR_REFS.write_text(RESET_PEAK)
        return _resident_peak() is not None
    return False


def _resident_peak() -> int | None:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return None if found is None else int(found[1]) * 1024
