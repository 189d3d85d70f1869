"""Training beside one busy process: the speed that is left of the quiet machine's.

    python -m benchmarks.busy --data-dir DIR_OF_CIFAR10

Each training runs alone and beside one process that computes on one core without end, in turn, `--rounds` times; the
ratio is the median of the rounds' ratios. The busy process starts first, as on a machine that is busy already.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.hardware import write

FEATURES = ("--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", "64")
DIGITS = ("train", "--network", "resnet20", "--width", "0.5", "--dataset", "digits", "--epochs", "12")
AIRBENCH94 = ("--network", "airbench94", "--dataset", "cifar10", "--epochs", "1", "--subset", "10240")


def main() -> None:
    """Parses the command line, measures, and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    trainings = {
        "resnet20 x 0.5 on digits": (DIGITS, "images_per_second"),
        "airbench94 on CIFAR-10": (
            (*AIRBENCH94, "--test-subset", "100", "--data-dir", given.data_dir),
            "images_per_second",
        ),
        "mlp head on digits": (("fit-head", "--head", "mlp", *FEATURES), "search_seconds"),
    }
    results = {name: measured(words, of, given.rounds) for name, (words, of) in trainings.items()}
    for name, found in results.items():
        print(f"{name}: {found['kept']:.2f} of the quiet speed")
    print(write("busy", {"results": results}, libraries=("torch", "timm", "scikit-learn")))


def measured(words: tuple[str, ...], quantity: str, rounds: int) -> dict[str, Any]:
    """The `quantity` of a command's answer, quiet and busy, and the share of the quiet speed that is kept."""
    quiet, busy, kept = [], [], []
    for _ in range(rounds):
        quiet.append(_answer(words)[quantity])
        with _one_busy_core():
            busy.append(_answer(words)[quantity])
        kept.append(quiet[-1] / busy[-1] if quantity.endswith("seconds") else busy[-1] / quiet[-1])
    return {"quantity": quantity, "quiet": quiet, "busy": busy, "kept": statistics.median(kept)}


def _answer(words: tuple[str, ...]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="busy-") as folder:
        command = [
            sys.executable,
            "-c",
            "from pipelines.cli import main; main()",
            *words,
            "--json",
            "--workspace",
            folder,
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


@contextlib.contextmanager
def _one_busy_core() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        time.sleep(1.0)
        try:
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    main()
