"""Run by tests: a script in two processes that train together, as torchrun would start them.

python pair.py SCRIPT OUT

They are forked from here, with torch and timm imported but never used; torchrun itself is met in tests/pipelines.
"""

import os
import runpy
import socket
import sys

import timm  # noqa: F401 (imported once, for both)
import torch

from finetune.training import loop  # noqa: F401


def start(rank: int, port: int, script: str, out: str) -> int:
    """The process id of one of the two."""
    child = os.fork()
    if child:
        return child
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
    os.environ.update(MASTER_PORT=str(port), TORCHELASTIC_RUN_ID="test")
    sys.argv = [script, out]
    status = 1
    try:
        runpy.run_path(script, run_name="__main__")
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [start(rank, port, *sys.argv[1:]) for rank in range(2)]
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
