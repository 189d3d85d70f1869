"""Seconds of `pipeline predict` on one photo and on a hundred beside `import torch, timm`, each a process of its own.

The run is a logistic head on the packaged tf_efficientnet_lite0, kept in a workspace; photos are JPEG files of 1600 x
1200 pixels. The sides take turns, so that a machine that changes its speed changes it for all; a ratio is the median of
those of the turns. `--exact` sets the probabilities of the quick way beside those of the run's own bits.

    python -m benchmarks.cold_start [--turns 5] [--exact] [--workspace DIR --run RUN]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.hardware import write

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")
PIPELINE = (sys.executable, "-c", "from pipelines.cli import main; main()")
BACKBONE = ("--backbone", "tf_efficientnet_lite0", "--weights", "packaged", "--dataset", "cifar10")
SUBSETS = ("--subset", "3500", "--test-subset", "500")


def main() -> None:
    """Parses the command line, makes what is missing, measures, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workspace", type=Path, help="workspace of --run; made anew without")
    parser.add_argument("--run", help="a head's run there")
    parser.add_argument("--exact", action="store_true", help="also compare with --exact, which compiles")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        photos = made_photos(Path(scratch) / "photos")
        workspace = given.workspace or Path(scratch) / "workspace"
        run = given.run or answer("fit-head", *BACKBONE, *SUBSETS, workspace=workspace)["run"]
        predict = ("predict", "--run", run)
        sides = {
            "import_torch_timm": (sys.executable, "-c", "import torch, timm"),
            "predict_1": (*PIPELINE, *predict, str(photos[0]), "--workspace", str(workspace), "--quiet"),
            "predict_100": (*PIPELINE, *predict, *map(str, photos), "--workspace", str(workspace), "--quiet"),
            "runs": (*PIPELINE, "runs", "--workspace", str(workspace)),
            "help": (*PIPELINE, "--help"),
        }
        turns = [{name: seconds(words) for name, words in sides.items()} for _ in range(given.turns)]
        results = {"wall": told(turns, "wall"), "processor": told(turns, "processor")}
        if given.exact:
            results["quick_beside_exact"] = fidelity(photos, predict, workspace=workspace)
        print(json.dumps(results, indent=1), flush=True)
        print(write("cold-start", {"turns": turns, "results": results}, libraries=LIBRARIES))


def made_photos(folder: Path, count: int = 100) -> list[Path]:
    """`count` JPEG files of 1600 x 1200 pixels: smooth noise, coarser and finer."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    paths = [folder / f"{number:03d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        rough = draw.integers(0, 256, (4 + number, 6 + number, 3), np.uint8)
        Image.fromarray(rough).resize((1600, 1200), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def seconds(words: tuple[str, ...]) -> dict[str, float]:
    """Wall seconds of a process, which must end well, and its processor seconds, which a busy machine changes less."""
    begun, before = time.perf_counter(), os.times()
    subprocess.run(words, check=True, capture_output=True)
    spent, after = time.perf_counter() - begun, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": spent, "processor": used}


def answer(*words: str, workspace: Path) -> dict[str, Any]:
    """The JSON answer of a command of ours."""
    command = (*PIPELINE, *words, "--workspace", str(workspace), "--json", "--quiet")
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def told(turns: list[dict[str, dict[str, float]]], clock: str) -> dict[str, dict[str, float]]:
    """Medians of the seconds by one clock, and of what each turn's commands take beside its import."""
    rows = [{name: one[clock] for name, one in turn.items()} for turn in turns]
    base = "import_torch_timm"
    return {
        "seconds": {name: statistics.median(row[name] for row in rows) for name in rows[0]},
        "ratio_to_import": {name: statistics.median(row[name] / row[base] for row in rows) for name in rows[0]},
        "seconds_above_import": {name: statistics.median(row[name] - row[base] for row in rows) for name in rows[0]},
    }


def fidelity(photos: list[Path], predict: tuple[str, ...], *, workspace: Path) -> dict[str, float]:
    """How far probabilities of the quick way are from those of the run's own bits, and how many classes are others."""
    words = (*predict, *map(str, photos), "--top", "1000")
    quick, exact = (answer(*words, how, workspace=workspace)["images"] for how in ("--quick", "--exact"))
    shares = [[{one["class"]: one["probability"] for one in image["top"]} for image in way] for way in (quick, exact)]
    differences = [abs(one[name] - other[name]) for one, other in zip(*shares, strict=True) for name in one]
    return {
        "images": len(quick),
        "largest_difference_of_a_probability": max(differences),
        "mean_difference_of_a_probability": statistics.mean(differences),
        "other_classes": sum(one["class"] != other["class"] for one, other in zip(quick, exact, strict=True)),
    }


if __name__ == "__main__":
    main()
