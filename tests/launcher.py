"""Run by the fixture `in_process`: one process that has imported what scripts need, and forks itself for each.

So a script costs no import of torch. A request is a line of JSON on stdin; the answer on stdout is the exit status.
"""

import gc
import json
import os
import runpy
import signal
import sys

if __name__ == "__main__":
    gc.disable()  # until all is imported, which stays

import h5py  # noqa: F401 (imported once, for all scripts, and never used here)
import optuna  # noqa: F401
import sklearn.datasets
import sklearn.linear_model  # noqa: F401
import torch._dynamo  # noqa: F401 (which torch's optimizers load)

from extract.features import extraction  # noqa: F401
from finetune.training import loop  # noqa: F401


def requested() -> dict:
    """The request of the script that this process shall become, a child; the parent serves until stdin ends."""
    gc.freeze()  # nothing that is here by now need be looked at again
    gc.enable()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


def run(words: list[str], *, streams: list[str], folder: str, environment: dict[str, str], seconds: int) -> None:
    """Runs a script as a Python does that is started with `words` in `folder`: its three `streams` are opened."""
    signal.alarm(seconds)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    sys.argv, sys.path[0] = words, os.path.dirname(words[0])
    runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    run(**requested())
