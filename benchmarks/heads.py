"""Heads on one feature file, all sides in one run: our path against scikit-learn, stacked heads against one by one.

(a) 45 C values with the refit, by the calls that `pipeline fit-head` makes, against 45 fits of scikit-learn's lbfgs
    (tol 1e-4) one after another on the same standardised float32 and float64 features. scikit-learn is measured at
    a few C; the rest is interpolated, seconds over log C, and both the measured points and the sum are reported.
(b) 64 linear heads in one pass against the same 64, each alone, by the same code. A few epochs are timed, and of the
    64 a few members.
(c) float16 against float32 storage: test accuracy of the chosen logistic head on a second file, `--float32`.
(d) every head with its defaults: chosen, refitted, scored once on the test split.

    python -m benchmarks.heads FEATURES.h5 [--parts path,stack,storage,heads] [--float32 FEATURES32.h5]
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import heads
from benchmarks.hardware import earlier_today, write
from extract.runtime import resolve_device
from extract.store import FeatureFile, SplitFeatures
from heads.design import standardisation
from heads.grid import Member, Recipe, Rows, train_grid
from heads.logistic import C_GRID, LogisticHead

LIBRARIES = ("torch", "scikit-learn", "numpy", "scipy")
MEASURED_C = (0, 9, 13, 18, 27, 36, 44)  # places in C_GRID
STACK = [Member((), rate, decay) for rate in np.geomspace(1e-4, 1e-2, 8) for decay in np.geomspace(1e-4, 1.0, 8)]


def main() -> None:
    """Parses the command line, measures the parts, writes the result file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--parts", default="path,stack,heads")
    parser.add_argument("--float32", type=Path, help="the same features stored as float32, for the part `storage`")
    given = parser.parse_args()
    device = resolve_device("auto")
    file = FeatureFile(given.features)
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "path": path_against_scikit_learn,
        "stack": stacked_against_alone,
        "storage": lambda file, *, device: storage(file, FeatureFile(given.float32), device=device),
        "heads": every_head,
    }
    results = earlier_today("heads", "results")
    for name in given.parts.split(","):
        results[name] = parts[name](file, device=device)
        print(name, results[name], flush=True)
        content = {"device": device, "threads": torch.get_num_threads(), "content": file.content, "results": results}
        print(write("heads", content, libraries=LIBRARIES), flush=True)


def path_against_scikit_learn(file: FeatureFile, *, device: str) -> dict[str, Any]:
    """(a), all sides on the plain view."""
    train = file.read("train")
    start = time.perf_counter()
    _, choice = heads.fit_head("logistic", features=train.features[0], labels=train.labels, device=device)
    ours = time.perf_counter() - start
    keep, hold = heads.held_out(train.labels)
    theirs = {kind: lbfgs(train, keep, hold, dtype=kind) for kind in ("float32", "float64")}
    chosen = C_GRID.index(float(choice.options["C"]))  # type: ignore[arg-type]
    nearby = C_GRID[max(chosen - 1, 0) : chosen + 2]
    exact = {C: exact_loss(train, keep, hold, C=C) for C in nearby}
    best = min(exact.values())
    return {
        "rows": len(train.labels),
        "ours_seconds": ours,
        "ours_search_seconds": choice.search_seconds,
        "ours_refit_seconds": choice.fit_seconds,
        "passes": sum(float(row["passes"]) for row in choice.table),  # type: ignore[arg-type]
        "scikit_learn": theirs,
        "times_faster": {kind: side["total_seconds"] / ours for kind, side in theirs.items()},
        "chosen_C": C_GRID[chosen],
        "exact_held_out_loss_near_the_choice": exact,
        "loss_of_choice_over_best": exact[C_GRID[chosen]] / best - 1,
    }


def lbfgs(train: SplitFeatures, keep: np.ndarray, hold: np.ndarray, *, dtype: str) -> dict[str, Any]:
    """Seconds of scikit-learn at MEASURED_C, and interpolated for all 45."""
    matrix, held = standardised(train, keep, hold, dtype=dtype)
    points = []
    for place in MEASURED_C:
        model = LogisticRegression(C=C_GRID[place], tol=1e-4, max_iter=10_000)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(matrix, train.labels[keep])
        seconds = time.perf_counter() - start
        chance = model.predict_proba(held)[np.arange(len(hold)), train.labels[hold]]
        loss = float(-np.log(np.maximum(chance, 1e-300)).mean())
        points.append({"C": C_GRID[place], "seconds": seconds, "iterations": int(model.n_iter_[0]), "loss": loss})
        print(dtype, points[-1], flush=True)
    every = np.interp(np.arange(len(C_GRID)), MEASURED_C, [point["seconds"] for point in points])
    return {"measured": points, "total_seconds": float(every.sum())}


def standardised(
    train: SplitFeatures, keep: np.ndarray, hold: np.ndarray, *, dtype: str
) -> tuple[np.ndarray, np.ndarray]:
    """Kept and held-out rows, standardised by the kept."""
    features = torch.from_numpy(train.features[0])
    standard = standardisation(features[keep])
    kind = getattr(torch, dtype)
    return standard.apply(features[keep], kind).numpy(), standard.apply(features[hold], kind).numpy()


def exact_loss(train: SplitFeatures, keep: np.ndarray, hold: np.ndarray, *, C: float) -> float:
    """The held-out log loss of the fully converged regression at C."""
    head = LogisticHead(C).fit(train.features[0][keep], train.labels[keep])
    return heads.scores(head.logits(train.features[0][hold]), train.labels[hold]).log_loss


def stacked_against_alone(file: FeatureFile, *, device: str) -> dict[str, Any]:
    """(b)."""
    train = file.read("train")
    where = torch.device(device)
    rows = Rows(torch.from_numpy(train.features[0]).to(where), torch.from_numpy(train.labels).to(where))
    together = epoch_seconds(rows, STACK)
    alone = [epoch_seconds(rows, [member]) for member in STACK[::16]]
    total = float(np.mean(alone)) * len(STACK)
    return {
        "members": len(STACK),
        "stacked_epoch_seconds": together,
        "alone_epoch_seconds": alone,
        "times_cheaper": total / together,
    }


def epoch_seconds(rows: Rows, members: list[Member]) -> float:
    """Seconds of one epoch: of three epochs less one epoch, so that preparation does not count, halved."""
    recipe = Recipe("adamw", 0.9, "cosine", 0.0, epochs=30, batch_size=512, dropout=0.0, label_smoothing=0.0)
    seconds = []
    for stop_epoch in (1, 1, 3):  # the first call warms up
        start = time.perf_counter()
        train_grid(rows, None, members=members, recipe=recipe, class_count=10, stop_epoch=stop_epoch, seed=0)
        seconds.append(time.perf_counter() - start)
    return (seconds[2] - seconds[1]) / 2


def storage(file: FeatureFile, float32: FeatureFile, *, device: str) -> dict[str, Any]:
    """(c): the default logistic search on both files, which differ in their storage alone."""
    accuracies = {}
    for name, one in (("float16", file), ("float32", float32)):
        train = one.read("train")
        assert train.features.dtype == np.dtype(name), f"{name} features must be given; got {train.features.dtype}"
        head, _ = heads.fit_head("logistic", features=train.features, labels=train.labels, device=device)
        test = one.read("test")
        accuracies[name] = head.score(test.features[0], test.labels)
    return {"test_accuracy": accuracies, "points_lost": 100 * (accuracies["float32"] - accuracies["float16"])}


def every_head(file: FeatureFile, *, device: str) -> dict[str, Any]:
    """(d)."""
    train = file.read("train")
    fitted = {}
    for kind in heads.available():
        fitted[kind] = heads.fit_head(kind, features=train.features, labels=train.labels, device=device)
        print(kind, fitted[kind][1].options, fitted[kind][1].validation.accuracy, flush=True)
    test = file.read("test")  # only now: nothing is chosen after this line
    return {kind: judged(head, choice, test) for kind, (head, choice) in fitted.items()}


def judged(head: heads.Head, choice: heads.Choice, test: SplitFeatures) -> dict[str, Any]:
    """One row of the table of heads."""
    start = time.perf_counter()
    logits = head.logits(test.features[0])
    seconds = time.perf_counter() - start
    scores = heads.scores(logits, test.labels, temperature=choice.temperature or 1.0)
    return {
        "options": choice.options,
        "validation_accuracy": choice.validation.accuracy if choice.validation else None,
        "test_accuracy": scores.accuracy,
        "test_interval": scores.interval,
        "log_loss": scores.log_loss,
        "calibration_error": scores.calibration_error,
        "search_seconds": choice.search_seconds,
        "fit_seconds": choice.fit_seconds,
        "evaluation_seconds": seconds,
        "bytes": sum(array.nbytes for array in head.weights().values()),
    }


if __name__ == "__main__":
    main()
