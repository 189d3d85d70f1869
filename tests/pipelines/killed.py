"""Run by test_killed.py in a process of its own: extractions that are killed, and two at once.

Children are forked from here, with torch and scikit-learn imported but never used, so that a dozen kills meet a dozen
extractions and not a dozen imports.
"""

import hashlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import sklearn.datasets  # noqa: F401 (imported once, for all children)
import timm  # noqa: F401
import torch

from extract.features import extraction  # noqa: F401
from pipelines.cli import main
from pipelines.tasks import extract  # noqa: F401

WORDS = ["extract", "--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", "32"]
WORDS += ["--precision", "float32", "--subset", "600", "--test-subset", "100"]
KILLS = 12


def start(workspace: Path) -> int:
    """The process id of a child that extracts into `workspace`."""
    child = os.fork()
    if child:
        return child
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)
    try:
        main([*WORDS, "--workspace", str(workspace)])
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    os._exit(0)


def digest(workspace: Path) -> str:
    """sha256 of the one feature file of a workspace, which holds no other trace of a run than locks."""
    files = [path for path in (workspace / "features").iterdir() if path.suffix != ".lock"]
    assert [path.suffix for path in files] == [".h5"], files
    return hashlib.sha256(files[0].read_bytes()).hexdigest()


def finish(child: int) -> int:
    """The exit status of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at_random(root: Path, *, expected: str, whole_seconds: float) -> None:
    """Kills extractions `KILLS` times; every one that ends must equal the one that was never interrupted."""
    chance = random.Random(0)
    kills = ended = 0
    while kills < KILLS or not ended:
        child = start(root / "killed")
        if kills < KILLS:
            time.sleep(chance.uniform(0, whole_seconds))
            os.kill(child, signal.SIGKILL)
        status = finish(child)
        kills += status == -signal.SIGKILL
        if status != -signal.SIGKILL:
            assert status == 0, status
            assert digest(root / "killed") == expected
            ended += 1
            shutil.rmtree(root / "killed")
    print(f"{kills} kills, {ended} files equal to the uninterrupted one, {whole_seconds:.1f} s each")


def two_at_once(root: Path, *, expected: str) -> None:
    """Two processes asked for the same file leave one, whole."""
    children = [start(root / "shared"), start(root / "shared")]
    assert [finish(child) for child in children] == [0, 0]
    assert digest(root / "shared") == expected
    print("one result")


def both(root: Path) -> None:
    """Both, against one extraction that is left alone."""
    begun = time.perf_counter()
    assert finish(start(root / "reference")) == 0
    whole_seconds = time.perf_counter() - begun
    expected = digest(root / "reference")
    kill_at_random(root, expected=expected, whole_seconds=whole_seconds)
    two_at_once(root, expected=expected)


if __name__ == "__main__":
    both(Path(sys.argv[1]))
