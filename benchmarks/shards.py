"""One extraction in shards on two workers against the same in one process: time of the whole command, and bytes.

Then once more, with SIGKILL for the busiest worker in the middle. Both sides use the same two cores.

    python -m benchmarks.shards --backbone tf_efficientnet_lite0 [--subset 12000] [--engine dask] [--warm]
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.hardware import earlier_today, write

SHARDS, WORKERS = 4, 2
Seconds = dict[str, float]
PIPELINE = "import sys; from pipelines.cli import main; main(sys.argv[1:])"


def main() -> None:
    """Parses the command line, measures one network, adds it to today's result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="packaged")
    parser.add_argument("--subset", type=int, default=12_000)
    parser.add_argument("--engine", default="dask", choices=("loky", "dask", "ray"))
    parser.add_argument("--warm", action="store_true", help="run both sides once, so that their code is compiled")
    given = parser.parse_args()
    words = ["--backbone", given.backbone, "--weights", given.weights, "--dataset", "cifar10", "--device", "cpu"]
    words += ["--subset", str(given.subset), "--test-subset", str(given.subset // 4)]
    sharded = ["--shards", str(SHARDS), "--jobs", str(WORKERS), "--engine", given.engine]
    with tempfile.TemporaryDirectory(prefix="shards-") as folder:
        found = measured(Path(folder), words, sharded, killed=not given.warm)
    found["load_average_in_the_end"] = os.getloadavg()[0]  # above the number of cores, others computed beside it
    found |= {"images": given.subset + given.subset // 4, "engine": given.engine, "shards": SHARDS, "workers": WORKERS}
    print(found)
    if not given.warm:
        results = earlier_today("shards", "results") | {f"{given.backbone} {given.engine}": found}
        print(write("shards", {"results": results}, libraries=("torch", "timm", "joblib", "distributed")))


def measured(root: Path, words: list[str], sharded: list[str], *, killed: bool) -> dict[str, Any]:
    """Seconds of each side, their ratio, and whether the files are the same bytes."""
    one, whole = extracted(root / "one", words)
    two, joined = extracted(root / "two", [*words, *sharded])
    found: dict[str, Any] = {"one_process": one, "shards": two, "ratio": two["seconds"] / one["seconds"]}
    found |= {"processor_ratio": two["processor_seconds"] / one["processor_seconds"], "equal": joined == whole}
    if killed:
        seconds, again = extracted(root / "killed", [*words, *sharded], kills=True)
        found |= {"killed": seconds, "killed_equal": again == whole}
    return found


def extracted(workspace: Path, words: list[str], *, kills: bool = False) -> tuple[Seconds, bytes]:
    """(time of the command, bytes of its feature file), with `kills` its busiest worker is killed in its shard.

    The processor's seconds are those of the command and of all its workers.
    """
    begun, before = time.perf_counter(), _processor_seconds()
    command = [sys.executable, "-c", PIPELINE, "extract", *words, "--workspace", str(workspace)]
    with subprocess.Popen(command) as running:
        if kills:
            while running.poll() is None and not any((workspace / "features").glob("*.shards/*.json")):
                time.sleep(0.1)
            workers = psutil.Process(running.pid).children(recursive=True)
            busiest = max(workers, key=lambda one: one.cpu_times().user)
            print("killing", busiest.pid, busiest.cpu_times(), flush=True)
            busiest.kill()
        status = running.wait()
    if status:
        raise SystemExit(f"the command ended with {status}")
    seconds = {"seconds": time.perf_counter() - begun, "processor_seconds": _processor_seconds() - before}
    [path] = (workspace / "features").glob("*.h5")
    return seconds, path.read_bytes()


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
