"""What `pipeline run STUDY --dry-run` says a command takes, against what it then takes.

    python -m benchmarks.estimates DATA_DIR WORKSPACE [--parts N,N,...]

Every command is a study of one job. It is planned in a process of its own, then run in another, whose whole time
counts: start of the interpreter, imports, reading, compiling, computing, writing. Commands share the WORKSPACE, which
must be new: features that an earlier command left are cached for a later one, and what it took is known. The error is
|estimate / outcome - 1|.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.hardware import earlier_today, write

LITE0 = {"backbone": "tf_efficientnet_lite0", "weights": "packaged"}
TUNED = {
    "command": "finetune",
    "network": "tf_efficientnet_lite0",
    "weights": "packaged",
    "image-size": 64,
    "subset": 1000,
    "test-subset": 500,
}
HEAD = {"command": "fit-head", **LITE0, "image-size": 64, "subset": 5000, "test-subset": 1000}
REFITTED = {"validation": 0.1, "refit": True}
TRAIN = {"command": "train", "recipe": "cpu", "subset": 2000, "test-subset": 500}


def extract(backbone: str, size: int, train: int, test: int) -> dict[str, Any]:
    """An extraction by an untrained backbone."""
    shape = {"backbone": backbone, "weights": "untrained", "image-size": size}
    return {"command": "extract", **shape, "subset": train, "test-subset": test}


PARTS: tuple[dict[str, dict[str, Any]], ...] = (
    {
        "resnet18 at 64": extract("resnet18", 64, 2000, 500),
        "resnet50 at 224": extract("resnet50", 224, 300, 100),
        "lite0 at 128": {"command": "extract", **LITE0, "image-size": 128, "subset": 2000, "test-subset": 500},
        "mobilenetv3 at 224": extract("mobilenetv3_large_100", 224, 500, 100),
        "vit_tiny at 224": extract("vit_tiny_patch16_224", 224, 500, 100),
        "resnet18 on digits, two views": {**extract("resnet18", 64, 1000, 360), "dataset": "digits", "views": "flip"},
        "logistic, features first": HEAD,
        "logistic, one C": {**HEAD, "c-grid": "0.01"},
        "linear": {**HEAD, "head": "linear"},
        "mlp": {**HEAD, "head": "mlp", "epochs": 5},
        "knn": {**HEAD, "head": "knn"},
        "ridge": {**HEAD, "head": "ridge"},
        "kernel": {**HEAD, "head": "kernel"},
        "centroid": {**HEAD, "head": "centroid"},
    },
    {
        "resnet20 from scratch": {**TRAIN, "network": "resnet20", "epochs": 3},
        "preact20, validated and refitted": {**TRAIN, "network": "preact20", "epochs": 2, **REFITTED},
        "densenet-bc-40-12": {**TRAIN, "network": "densenet-bc-40-12", "epochs": 1, "subset": 1000},
        "vgg11, a quarter as wide": {**TRAIN, "network": "vgg11", "width": 0.25, "epochs": 4},
        "fine-tuned whole": {**TUNED, "epochs": 1},
        "fine-tuned from a fitted head": {**TUNED, "mode": "head-first", "epochs": 1},
        "frozen, no feature file": {**TUNED, "mode": "frozen", "seed": 1},
        "two heads, two seeds": {**HEAD, "head": ["ridge", "logistic"], "subset": 2000, "seeds": 2},
        "lite0 at 224, compiled": {
            "command": "extract",
            **LITE0,
            "image-size": 224,
            "subset": 2700,
            "test-subset": 400,
            "inference": "compiled",
        },
    },
)


def main() -> None:
    """Measures the parts that are named and keeps them beside today's others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--parts", default="0,1")
    parser.add_argument("--planned-only", action="store_true", help="print estimates, run and keep nothing")
    given = parser.parse_args()
    results = {} if given.planned_only else earlier_today("estimates", "commands")
    for part in map(int, given.parts.split(",")):
        for name, job in PARTS[part].items():
            results[name] = measure(job, given.data_dir, given.workspace, runs=not given.planned_only)
            print(f"{name:34}", {key: value for key, value in results[name].items() if key != "job"}, flush=True)
    if not given.planned_only:
        print(summary(results), write("estimates", {**summary(results), "commands": results}, libraries=("torch",)))


def measure(job: dict[str, Any], data_dir: Path, workspace: Path, *, runs: bool) -> dict[str, Any]:
    """The estimate of a job and what it is made from, what the plan took, and the seconds of the run."""
    workspace.mkdir(parents=True, exist_ok=True)
    study = workspace / "study.yaml"
    data = {"dataset": "cifar10", "data-dir": str(data_dir)} if job.get("dataset") != "digits" else {}
    study.write_text(json.dumps({"name": "one", "jobs": [{**data, **job}]}))
    planning, planned = timed(["run", study, "--dry-run"], workspace)
    answer = {"job": job, "estimate": planned["seconds"], "planning": planning}
    answer["basis"] = sorted({line["basis"] for line in planned["plan"] if line.get("basis")})
    if runs:
        answer["outcome"], _ = timed(["run", study], workspace)
        answer["error"] = abs(answer["estimate"] / answer["outcome"] - 1)
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in answer.items()}


def timed(words: list[Any], workspace: Path) -> tuple[float, dict[str, Any]]:
    """(seconds, answer) of a `pipeline` command in a process of its own; compiled code is kept in the workspace."""
    code = "import sys; from pipelines.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, words), "--workspace", str(workspace), "--json"]
    surroundings = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(workspace.resolve() / "compiled")}
    begun = time.perf_counter()
    ended = subprocess.run(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun, json.loads(ended.stdout)


def summary(results: dict[str, Any]) -> dict[str, Any]:
    """The median and the worst error over the commands."""
    errors = {name: one["error"] for name, one in results.items()}
    worst = max(errors, key=lambda name: errors[name])
    return {"median error": statistics.median(errors.values()), "worst error": errors[worst], "worst": worst}


if __name__ == "__main__":
    main()
