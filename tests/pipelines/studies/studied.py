"""Run by test_execute.py in a process of its own: studies that are killed, and one study through every engine.

torch, timm and scikit-learn are imported here once and never used; workers of loky and dask are forked with them,
so that a dozen starts cost seconds and not a dozen imports.
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import dask
import sklearn.linear_model  # noqa: F401 (imported once, for all children)
import timm  # noqa: F401
import torch  # noqa: F401
from joblib.externals.loky.backend.context import set_start_method

from extract.features import extraction
from extract.features.store import FeatureFile
from extract.runtime.typed_json import plain
from pipelines.cli import main
from pipelines.tasks import shard_notes
from pipelines.workspace import records

KILLS = 3
HEADS = """
defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}
jobs:
  - {command: fit-head, backbone: test_resnet, views: [plain, flip], c-grid: 1e-2, seeds: 2}
"""
JOBS = 12
STUDY = """
defaults: {dataset: digits, image-size: 16, subset: 200, test-subset: 100}
jobs:
  - command: fit-head
    backbone: test_resnet
    weights: untrained
    views: [plain, flip]
    c-grid: 1e-2
    validation: [0.1, none]
    seeds: 2
  - command: train
    network: resnet8
    width: 0.25
    epochs: [1, 2]
    batch-size: 50
    seed: [0, 1]
"""


def start(study: Path, workspace: Path, *words: str) -> tuple[int, int]:
    """`begin` of a child that runs a study."""
    return begin("run", str(study), "--workspace", str(workspace), *words)


def begin(*words: str) -> tuple[int, int]:
    """(process id, end of a pipe with its answer) of a child that runs a command; its children share its group."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    status, answer = 0, io.StringIO()
    try:
        with contextlib.redirect_stdout(answer):
            main([*words, "--json", "--device", "cpu"])
    except SystemExit as ended:
        status = int(ended.code or 0)
    os.write(writing, answer.getvalue().encode())
    os._exit(status)


def finish(child: int, reading: int) -> tuple[int, str]:
    """(exit status, answer) of a child."""
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), answer


def run(study: Path, workspace: Path, *words: str) -> dict:
    """The answer of a study that ends well."""
    status, answer = finish(*start(study, workspace, *words))
    assert status == 0, answer
    return json.loads(answer)


def done(workspace: Path) -> int:
    """Records that stand in a workspace."""
    return sum(1 for _ in (workspace / "runs").glob("*/record.json"))


def killed(root: Path) -> dict:
    """Kills a study with all its workers `KILLS` times at random, ends it, and says what is left."""
    study, workspace = root / "study.yaml", root / "killed"
    study.write_text(STUDY)
    chance = random.Random(5)
    before = []
    for goal in sorted(chance.sample(range(9), KILLS)):
        child, reading = start(study, workspace, "--jobs", "2")
        patience = time.monotonic() + 60
        while done(workspace) < goal and time.monotonic() < patience:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        os.killpg(child, signal.SIGKILL)
        status, _ = finish(child, reading)
        assert status == -signal.SIGKILL, status
        found, problems = records.read_all(workspace)
        assert not problems, problems
        before.append(len(found))
    answer = run(study, workspace, "--jobs", "2")
    return {**facts(workspace), "answer": answer, "records_after_kills": before, "study": str(study)}


def facts(workspace: Path) -> dict:
    """What a workspace holds: records, and whether each of its artifacts is whole."""
    found, problems = records.read_all(workspace)
    for path in (workspace / "features").glob("*.h5"):
        FeatureFile(path).verify()
    return {
        "workspace": str(workspace),
        "statuses": [record.status for record in found],
        "runs": [record.run for record in found],
        "keys": len({json.dumps(record.key, sort_keys=True) for record in found}),
        "whole": all(records.intact(workspace, record.run) is not None for record in found),
        "problems": problems,
        "feature_files": len(list((workspace / "features").glob("*.h5"))),
    }


def scores(workspace: Path) -> dict:
    """run -> the whole of its test scores."""
    return {record.run: plain(record.test) for record in records.read_all(workspace)[0]}


def engines(root: Path) -> dict:
    """The scores of one study through every engine, two workers each; ray's, which import torch, find features."""
    study = root / "heads.yaml"
    study.write_text(HEADS)
    found = {}
    for name in ("loky", "dask", "ray"):
        if name == "ray":
            shutil.copytree(root / "loky", root / name, ignore=shutil.ignore_patterns("runs"))
        answer = run(study, root / name, "--jobs", "2", "--engine", name)
        found[name] = {"answer": answer, "scores": scores(root / name)}
    return found


def shards(root: Path) -> dict:
    """The file of one process, and of four shards on two workers of dask, of which one dies in the middle."""
    words = [
        "extract",
        "--backbone",
        "test_resnet",
        "--weights",
        "untrained",
        "--dataset",
        "digits",
        "--image-size",
        "32",
    ]
    words += ["--batch-size", "64", "--precision", "float32", "--subset", "600"]
    extraction.BLOCK_ROWS = 64
    count, died = shard_notes.ShardProgress.progress, root / "died"

    def progress(self, done: int, total: int) -> None:
        count(self, done, total)
        if self._path.name == "2-of-4.json" and done >= total / 2 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    shard_notes.ShardProgress.progress = progress
    found = []
    for place, more in (("one", []), ("two", ["--shards", "4", "--jobs", "2", "--engine", "dask"])):
        status, answer = finish(*begin(*words, *more, "--workspace", str(root / place)))
        assert status == 0, answer
        found.append(Path(json.loads(answer)["path"]).read_bytes())
    return {"died": died.exists(), "equal": found[0] == found[1], "bytes": len(found[0])}


if __name__ == "__main__":
    set_start_method("fork", force=True)
    dask.config.set({"distributed.worker.multiprocessing-method": "fork"})
    print(json.dumps({"killed": killed, "engines": engines, "shards": shards}[sys.argv[1]](Path(sys.argv[2]))))
