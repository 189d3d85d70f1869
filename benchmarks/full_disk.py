"""A disk that fills at 60 sizes during extract, fit-head, train, search, run and report; then the same, with room.

A real, small file system in memory (tmpfs, which root alone may mount) holds the workspace. Filled in the middle of a
command, it must end in one sentence that names the disk; with room again, the same command must leave what an
uninterrupted workspace holds, bit for bit, times apart.

    OMP_NUM_THREADS=1 python -m benchmarks.full_disk [--sizes 60]
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.hardware import write
from benchmarks.kills import LIBRARIES, REFUSED
from benchmarks.workspaces import Bench, prepare

COMMANDS = ("extract", "fit-head logistic", "train", "search head", "search network", "run", "report")
TOLD = re.compile("disk must have room for")
PAGE, ROOM = 4096, 1 << 28


def main() -> None:
    """Parses the command line, fills disks, and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, default=60)
    given = parser.parse_args()
    prepare()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="full-disk-") as folder:
        mounted = Path(folder) / "disk"
        mounted.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(mounted))
        try:
            found = fill(Bench(Path(folder) / "bench", here=mounted), given.sizes)
        finally:
            subprocess.run(["umount", str(mounted)], check=True)
    results = {"seconds": round(time.perf_counter() - begun, 1), **found}
    print(found["filled"], "of", found["sizes"], "filled;", len(found["problems"]), "problems", *found["problems"])
    print(write("full-disk", results, libraries=LIBRARIES))


def fill(bench: Bench, sizes: int) -> dict[str, Any]:
    """Fills the disk at as many `sizes`, spread over the commands and over what each of them writes."""
    bench.learn()
    turns = [index for index, one in enumerate(bench.commands) if one.name in COMMANDS]
    problems: list[str] = []
    filled: Counter[str] = Counter()
    for number in range(sizes):
        index, step = turns[number % len(turns)], number // len(turns)
        command, share = bench.commands[index], (step + 0.5) / -(-sizes // len(turns))
        said, status = _filled(bench, index, share)
        filled[command.name] += status != 0
        wrong = [] if status == 0 or TOLD.search(" ".join(said.split())) else [f"status {status}: {said[-500:]}"]
        if REFUSED.search(said):
            wrong.append(f"it said {said[-500:]}")
        ended, _ = bench.run(command, at=None)
        wrong += bench.differences(index)
        if ended.status != 0:
            wrong.append(f"with room again it ended with {ended.status}: {ended.said[-500:]}")
        for one in wrong:
            problems.append(f"{command.name} at {share:.2f} of what it writes: {one}".replace(str(bench.here), ""))
            print("PROBLEM", problems[-1], flush=True)
    return {"sizes": sizes, "filled": filled.total(), "filled_by_command": dict(filled), "problems": problems}


def _filled(bench: Bench, index: int, share: float) -> tuple[str, int]:
    """What the command said and how it ended where the disk holds `share` of what it writes."""
    bench.restore(index)
    now, after = _used(bench.here), _size(bench.before(index + 1)) - _size(bench.before(index))
    _resize(bench.here, now + max(int(share * max(after, 4 * PAGE)), PAGE))
    ended, _ = bench.run(bench.commands[index], at=None)
    _resize(bench.here, ROOM)
    return ended.said, ended.status


def _used(mounted: Path) -> int:
    facts = os.statvfs(mounted)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def _size(root: Path) -> int:
    """Bytes on a disk of pages: a file of one byte takes one."""
    return sum(-(-path.stat().st_size // PAGE) * PAGE for path in root.rglob("*") if path.is_file())


def _resize(mounted: Path, size: int) -> None:
    _mount("-o", f"remount,size={size}", str(mounted))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    main()
