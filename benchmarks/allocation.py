"""Gain of `extract.runtime.allocator`: images a second with freed memory kept, and as glibc does by itself.

Each side of each round is a process of its own, one after the other: glibc's limits move with what was freed before.

embeds BACKBONE: the bare, compiled forward pass at 224 pixels, as in benchmarks.extraction;
trains NETWORK:  training steps by a recipe, as in benchmarks.training.

    python -m benchmarks.allocation --data-dir DIR [--seconds 12] [--rounds 3]
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks import extraction_sides, training
from benchmarks.hardware import write
from extract.runtime.devices import resolve_device

TASKS = ("embeds tf_efficientnet_lite0", "embeds resnet50", "trains airbench94", "trains resnet18")
BATCH_SIZES = {"airbench94": 1024, "resnet18": 128}
SIDES = ("given back", "kept")
LIBRARIES = ("torch", "timm", "numpy")


def main() -> None:
    """Parses the command line; measures one side, or all of them and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=12.0, help="about how long a side is measured in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", choices=TASKS, help="this one alone, and --side in this very process")
    parser.add_argument("--side", choices=SIDES)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(rate(given.task, given.data_dir, side=given.side, seconds=given.seconds)))
        return
    results = {task: measure(task, given) for task in ([given.task] if given.task else TASKS)}
    print(write("allocation", {"device": resolve_device("auto"), "results": results}, libraries=LIBRARIES))


def measure(task: str, given: argparse.Namespace) -> dict[str, Any]:
    """Rates of both sides, and the median ratio within a round."""
    words = ["--data-dir", str(given.data_dir), "--seconds", str(given.seconds), "--task", task]

    def one(side: str) -> float:
        command = [sys.executable, "-m", "benchmarks.allocation", *words, "--side", side]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return json.loads(out.splitlines()[-1])

    rounds = [{side: one(side) for side in SIDES} for _ in range(given.rounds)]
    result = {
        "images_per_second": {side: statistics.median(found[side] for found in rounds) for side in SIDES},
        "kept/given back": statistics.median(found["kept"] / found["given back"] for found in rounds),
        "rounds": rounds,
    }
    print(task, {name: value for name, value in result.items() if name != "rounds"}, flush=True)
    return result


def rate(task: str, data_dir: Path, *, side: str, seconds: float) -> float:
    """Images a second of one side."""
    verb, name = task.split()
    device = resolve_device("auto")
    with contextlib.ExitStack() as stack:
        if side == "given back":
            stack.enter_context(patch("extract.runtime.allocator._set", lambda values: None))
        if verb == "trains":
            size = BATCH_SIZES[name]
            return training.Ours(name, data_dir, device=device, batch_size=size, engine="eager").rate(seconds)
        return extraction_sides.Ours(name, data_dir, "auto", device=device).rate(seconds)


if __name__ == "__main__":
    main()
