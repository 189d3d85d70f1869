"""Leases: among the jobs of batches, a GPU belongs to one at a time, on the whole machine, whoever started them.

Single commands (`pipeline train` beside a batch) take no lease: they use the device that they are given.
A lease is a locked file in the system's temporary directory; the system frees it when its process dies.
"""

import contextlib
import getpass
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from extract.runtime.locks import Lock, Patience

POLL_SECONDS = 0.2


@contextlib.contextmanager
def leased(devices: Sequence[str]) -> Iterator[str]:
    """One of `devices` ("cpu", "cuda:0", ...), nobody else's while the body runs; waits until one is free.

    Processors are shared by threads, not leased: "cpu" is given at once.
    """
    if "cpu" in devices:
        yield "cpu"
        return
    device, lock = _first_free(devices)
    try:
        yield device
    finally:
        lock.free()


def _first_free(devices: Sequence[str]) -> tuple[str, Lock]:
    patience = Patience(" and ".join(devices), poll_seconds=POLL_SECONDS)
    while True:
        for device in devices:
            lock = Lock(lock_file(device))
            if lock.take(within=0.0):
                return device, lock
        patience.step()


def lock_file(device: str) -> Path:
    """The lock of "cuda:N", named by the physical device where CUDA_VISIBLE_DEVICES renumbers them."""
    index = int(device.partition(":")[2] or 0)
    visible = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    physical = visible[index] if index < len(visible) else str(index)
    folder = Path(tempfile.gettempdir()) / f"transfer-bench-{_user()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"cuda-{''.join(one for one in physical if one.isalnum() or one == '-')}.lock"


def _user() -> str:
    """The user's number, for one in a container may have no name; the name where the system has no numbers."""
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
