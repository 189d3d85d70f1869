"""False positives of the page's differences between equal runs: nothing but the report's own functions decides.

The model: every image has a chance to be classified correctly, logit-normal with a standard deviation of 6 and a mean
of 0.925; every run is correct on each image with that chance, by itself. So all runs are equally good, are correct on
92 to 93 % of the images, and two of them disagree on 4 to 5 %. Their validation images are others of the same kind.

many:   16 runs; the share of pages on which a bar of the paired differences excludes zero.
seeds:  a row of several seeds beside one run; the share of their pairs that exclude zero.

Each with the best chosen by validation accuracy, and picked on the test images where there are no validation images.

    python -m benchmarks.equal_runs [--repetitions 500]
"""

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from benchmarks.hardware import write
from heads.statistics import accuracy_interval
from pipelines.report.study.rows import rows
from pipelines.report.study.study import Study, against_best
from pipelines.workspace import records
from pipelines.workspace.schema import DoneRecord

SIZES = (360, 2_000, 10_000)
RUNS = 16
SEEDS = (1, 5, 10)
ACCURACY, SPREAD = 0.925, 6.0
NODES = np.polynomial.hermite_e.hermegauss(199)


def main() -> None:
    """Parses the command line, simulates, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=500)
    given = parser.parse_args()
    found = []
    for images in SIZES:
        for validated in (True, False):
            for counts in ((1,) * RUNS, *((count, 1) for count in SEEDS)):
                share = false_share(counts, images=images, validated=validated, repetitions=given.repetitions)
                kind = {"seeds_of_rows": counts} if len(counts) == 2 else {"runs": len(counts)}
                found.append({"images": images, "chosen_by_validation": validated, **kind, "excludes_zero": share})
                print(found[-1], flush=True)
    results: dict[str, Any] = {"repetitions": given.repetitions, "results": found}
    print(write("equal-runs", results, libraries=("numpy", "scipy")))


def false_share(counts: tuple[int, ...], *, images: int, validated: bool, repetitions: int) -> float:
    """The share of pages that show a difference between equal rows of so many seeds each."""
    generator = np.random.default_rng([images, validated, *counts])
    return float(np.mean([shows(page(generator, counts, images, validated=validated)) for _ in range(repetitions)]))


def shows(study: Study) -> bool:
    """Whether a bar of the page's paired differences excludes zero."""
    [test_set] = study.test_sets()
    _, _, found = against_best(study, test_set)
    return any(one.paired.interval[0] > 0 or one.paired.interval[1] < 0 for one in found)


def page(generator: np.random.Generator, counts: tuple[int, ...], images: int, *, validated: bool) -> Study:
    """The study of equal rows, one of each number of seeds, on so many test images and half as many for validation."""
    chances, others = (expit(location() + SPREAD * generator.normal(size=size)) for size in (images, images // 2))
    results, logits, labels = [], {}, np.zeros(images, np.int64)
    for row, count in enumerate(counts):
        for seed in range(count):
            correct, validation = (generator.random(len(one)) < one for one in (chances, others))
            results.append(finished(row, seed, correct, validation if validated else None))
            logits[results[-1].run] = np.stack([correct, ~correct], axis=1).astype(np.float64), labels
    study = Study(Path("nowhere"), [], [], _logits=logits)
    study.rows = rows(results, interval=study.interval)
    return study


@cache
def location() -> float:
    """The mean logit at which images of this spread have the mean chance `ACCURACY`."""
    points, weights = NODES
    shares = weights / weights.sum()
    return float(brentq(lambda middle: expit(middle + SPREAD * points) @ shares - ACCURACY, -30, 30))  # type: ignore[arg-type]


def finished(
    row: int, seed: int, correct: np.ndarray, validation: np.ndarray | None, *, fit_seconds: float = 1.0
) -> DoneRecord:
    """A finished run that gave these answers."""
    record = {
        "run": f"{row:06d}{seed:06d}",
        "kind": "network",
        "mode": "scratch",
        "seed": seed,
        "name": f"network {row}",
        "architecture": f"network {row}",
        "weights": "none",
        "key": {"network": row},
        "dataset": {"name": "equal", "digest": "equal", "test_images": "0" * 64},
        "seconds": {"fit": fit_seconds},
        "test": scored(correct),
        "validation": None if validation is None else scored(validation),
        "choice": {"training_rows": 1, "validation_rows": 0 if validation is None else len(validation)},
        "training": {"rows": 1, "accuracy": 1.0, "kept_accuracy": 1.0},
        **dict.fromkeys(("image_size", "temperature")),
        **{name: {} for name in ("chosen", "curves", "files")},
        **dict.fromkeys(("parameters", "flops", "bytes"), 1),
        "class_names": [],
    }
    found = records.made(record)
    assert isinstance(found, DoneRecord)
    return found


def scored(correct: np.ndarray) -> dict[str, Any]:
    """Scores of such answers, as records have them."""
    hits, rows_scored = int(correct.sum()), len(correct)
    known = {"rows": rows_scored, "accuracy": hits / rows_scored, "interval": accuracy_interval(hits, rows_scored)}
    unknown = dict.fromkeys(("top5", "log_loss", "calibration_error", "calibration_limit"))
    return {**known, **unknown, "per_class": [], "confusion": []}


if __name__ == "__main__":
    main()
