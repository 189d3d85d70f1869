"""Seconds and memory to list, digest and plan a folder of many small files, as `pipeline run` does first.

cold: the workspace has never seen the folder, and (on Linux) the contents of its files are dropped from the page
cache; warm: the same again. Each is a process of its own, which has planned the same study for a folder of four images
before it begins: so imports do not count. The files are distinct, JPEGs of 32 x 32 pixels.

    python -m benchmarks.listing [--files 200000] [--classes 100]
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks.hardware import write
from pipelines.studies import plan, study_file
from pipelines.workspace.context import Context

KINDS = 1000  # of pictures; the files differ by what follows their end besides
STUDY = """name: many
defaults: {{dataset: {root}, weights: untrained, backbone: test_resnet}}
jobs:
  - command: extract
  - command: fit-head
    head: centroid
"""


def main() -> None:
    """Parses the command line, makes the folder, measures, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--planned", type=Path, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.planned:
        print(json.dumps(measure(*given.planned)))
        return
    with tempfile.TemporaryDirectory() as place:
        small = _laid(Path(place) / "small", files=4, classes=2)
        large = _laid(Path(place) / "large", files=given.files, classes=given.classes)
        (Path(place) / "workspace" / "features").mkdir(parents=True)  # a workspace, which remembers what it has read
        _drop(large)
        results = {state: _in_a_process(small, large, Path(place) / "workspace") for state in ("cold", "warm")}
    measured = {"files": given.files, "classes": given.classes, "results": results}
    print(results, write("listing", measured, libraries=("numpy", "pillow")))


def measure(small: Path, large: Path, workspace: Path) -> dict[str, float]:
    """Seconds of planning the study of `large`, those of a core, and the most bytes of memory above those before it."""
    _plan(small, workspace)
    before, begun, core_begun = psutil.Process().memory_info().rss, time.perf_counter(), time.process_time()
    _plan(large, workspace)
    seconds, core_seconds = time.perf_counter() - begun, time.process_time() - core_begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "core_seconds": core_seconds, "memory_bytes": most - before}


def _plan(root: Path, workspace: Path) -> None:
    path = workspace / "study.yaml"
    path.write_text(STUDY.format(root=json.dumps(str(root))))
    described = study_file.read(path, study_file.Environment({"seed": 0}, workspace, {}))
    plan.plan(described.jobs, Context(workspace), places=described.places)


def _in_a_process(*places: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.listing", "--planned", *map(str, places)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def _laid(root: Path, *, files: int, classes: int) -> Path:
    rng, pictures = np.random.default_rng(0), []
    for _ in range(min(KINDS, files)):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((32, 32)).save(buffer, "JPEG")
        pictures.append(buffer.getvalue())
    for number in range(classes):
        (root / f"class{number:03d}").mkdir(parents=True)
    for number in range(files):
        path = root / f"class{number % classes:03d}" / f"photo{number:07d}.jpg"
        path.write_bytes(pictures[number % len(pictures)] + number.to_bytes(4, "big"))
    time.sleep(2.1)  # a file that has just changed is not remembered
    return root


def _drop(root: Path) -> None:
    """Asks the system to forget the contents of the files, where it can be asked."""
    if hasattr(os, "posix_fadvise"):
        os.sync()
        for path in root.glob("*/*"):
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


if __name__ == "__main__":
    main()
