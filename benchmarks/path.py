"""Losses of the logistic path beside those of an exact solver: what is called converged must be within 1e-4.

For each number of training rows: the default search of `pipeline fit-head` (45 values of C, a tenth of the rows for
validation), and at some of its C the exact regression on the same rows, by Newton steps in float64 down to a decrement
of 1e-14. At the chosen C scikit-learn's L-BFGS in float64 is a second reference, independent of ours.

    python -m benchmarks.path FEATURES.h5 [--rows 5000,50000] [--up-to 0.1] [--every 4]
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

import heads
from benchmarks.hardware import earlier_today, write
from extract.features.store import FeatureFile, SplitFeatures
from heads.logistic.head import LogisticHead
from heads.logistic.space import C_GRID
from heads.metrics import ROW_LOSS_LIMIT
from heads.registry import space

LIBRARIES = ("torch", "scikit-learn", "numpy", "scipy")


def main() -> None:
    """Parses the command line, measures each number of rows, writes the result file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--rows", default="5000,50000")
    parser.add_argument("--up-to", type=float, default=0.1, help="greatest C that is fitted exactly unless converged")
    parser.add_argument("--every", type=int, default=1, help="every how-manieth of these C")
    given = parser.parse_args()
    file = FeatureFile(given.features)
    results = earlier_today("path", "results")
    for rows in given.rows.split(","):
        results[rows] = compared(file.read("train"), int(rows), up_to=given.up_to, every=given.every)
        content = {"threads": torch.get_num_threads(), "features": file.spec, "results": results}
        print(write("path", content, libraries=LIBRARIES), flush=True)


def compared(train: SplitFeatures, rows: int, *, up_to: float, every: int) -> dict[str, Any]:
    """The points of the path on a seeded sample of `rows`, with the exact losses where they are computed."""
    sample = np.sort(np.random.default_rng(0).permutation(len(train.labels))[:rows])
    features, labels = train.features[0][sample], train.labels[sample]
    choice = heads.choose(space("logistic"), features, labels)
    keep, hold = heads.validation_split(labels)
    points = []
    for place, row in enumerate(choice.table):
        point: dict[str, Any] = {name: row[name] for name in ("C", "log_loss", "accuracy", "iterations", "converged")}
        if row["converged"] or (C_GRID[place] <= up_to and place % every == 0):
            head = LogisticHead(C_GRID[place]).fit(features[keep], labels[keep])
            point |= {"exact": _loss(head, features[hold], labels[hold]), "gradient_norm": head.gradient_norm_}
            print(point, flush=True)
        points.append(point)
    chosen = float(choice.options["C"])  # type: ignore[arg-type]
    second = LogisticHead(chosen, solver="sklearn", tolerance=1e-7, max_iter=20_000)
    return {
        "kept_rows": len(keep),
        "chosen_C": chosen,
        "search_seconds": choice.search_seconds,
        "converged": sum(point["converged"] for point in points),
        "greatest_error_of_converged": _greatest(points, converged=True),
        "greatest_error_of_rough_and_measured": _greatest(points, converged=False),
        "scikit_learn_loss_at_the_chosen_C": _loss(
            second.fit(features[keep], labels[keep]), features[hold], labels[hold]
        ),
        "points": points,
    }


def _loss(head: LogisticHead, features: np.ndarray, labels: np.ndarray) -> float:
    """The mean validation log loss, a row at most `ROW_LOSS_LIMIT` as in the search."""
    logits = features.astype(np.float64) @ head.weights_ + head.bias_
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return float(np.minimum(-logs[np.arange(len(labels)), labels], ROW_LOSS_LIMIT).mean())


def _greatest(points: list[dict[str, Any]], *, converged: bool) -> float | None:
    errors = [abs(one["log_loss"] - one["exact"]) for one in points if "exact" in one and one["converged"] is converged]
    return max(errors, default=None)


if __name__ == "__main__":
    main()
