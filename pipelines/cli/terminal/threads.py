"""How many threads of the processor compute: said before torch is imported, or to torch itself."""

import os
import sys

from extract.errors import InvalidInputError

COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def use(count: int) -> None:
    """Computes with `count` threads from here on, in processes that are started from here too."""
    if count < 1:
        raise InvalidInputError(f"threads must be a whole number from 1; got {count}. Leave it out for one a core.")
    for name in COUNTS:
        os.environ[name] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
