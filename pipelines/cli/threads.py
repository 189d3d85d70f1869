"""Threads of the processor: how many compute, and how they wait. Both must be said before torch is imported."""

import os
import sys

from extract.errors import InvalidInput

COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def use(count: int) -> None:
    """Computes with `count` threads from here on, in processes that are started from here too."""
    if count < 1:
        raise InvalidInput(f"threads must be a whole number from 1; got {count}. Leave it out for one a core.")
    for name in COUNTS:
        os.environ[name] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def wait_without_spinning() -> None:
    """Has threads sleep soon where they wait for one another, unless the environment says how they wait.

    A thread that spins keeps its core from the one that it waits for wherever another process computes too.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = "1000"
