"""Run by test_processes.py in a process of its own: two processes that are asked for the same network at once.

python twins.py FOLDER OPTIONS            the options of the network as JSON

They are forked from here, with torch imported but never used, and begin together.
"""

import json
import os
import sys
from pathlib import Path

import torch

from pipelines.specs import NetworkSpec
from pipelines.tasks.table import answer_of
from pipelines.tasks.train import train
from pipelines.training import prepare, results  # noqa: F401 (imported once, for both)
from pipelines.workspace.context import Context


def start(spec: NetworkSpec, workspace: Path, answer: Path, gate: int) -> int:
    """The process id of a child that trains once `gate` is closed, and leaves its answer and what it heard."""
    child = os.fork()
    if child:
        return child
    torch.set_num_threads(1)
    said: list[str] = []
    done: list[str] = []
    os.read(gate, 1)
    found = answer_of(train(spec, Context(workspace, notice=said.append, doing=done.append)))
    answer.write_text(json.dumps({**found, "said": said, "last": done[-1]}))
    os._exit(0)


if __name__ == "__main__":
    root, spec = Path(sys.argv[1]), NetworkSpec.of(**json.loads(sys.argv[2]))
    gate, opened = os.pipe()
    os.set_inheritable(opened, False)
    children = []
    for name in ("one.json", "other.json"):
        children.append(start(spec, root / "workspace", root / name, gate))
    os.write(opened, b"xx")
    sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children))
