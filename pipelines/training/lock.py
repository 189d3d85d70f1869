"""One training of a key at a time: two would go on from, replace and delete the same checkpoints."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from extract.runtime.locks import Lock
from pipelines.training import processes

ATTEMPT_SECONDS = 60.0  # torch gives up processes of a group that hear nothing for longer than some minutes


@contextlib.contextmanager
def alone(folder: Path, *, notice: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock of the training whose checkpoints stand in `folder`, `<folder>.lock`, while the body runs.

    Another process that holds it is waited for, of which `notice` hears. Of processes that train together the
    first one holds the lock, and the others wait with it.
    """
    lock = Lock(folder.with_name(f"{folder.name}.lock"))
    if processes.rank() == 0:
        folder.parent.mkdir(parents=True, exist_ok=True)
    if not processes.first_says(lambda: lock.take(within=0.0)):
        if processes.rank() == 0:
            notice(f"another process trains {folder.name} already; waiting until it ends")
        while not processes.first_says(lambda: lock.take(within=ATTEMPT_SECONDS)):
            pass
    try:
        yield
    finally:
        lock.free()  # nothing where it is not held
