"""Heads on one feature file, all sides in one run: our path against scikit-learn, stacked heads against one by one.

(a) The usual C values up to 10 and up to 1, those that both sides fit, with the refit, by the calls that `pipeline
    fit-head` makes, against as many fits of scikit-learn's lbfgs (tol 1e-4, each from zero) on the same standardized
    float32 and float64 features. scikit-learn is measured at every `--every`-th C; the rest is interpolated, seconds
    over log C, and the number of measured points is reported. Sides alternate; the least of `--repeats` counts.
(b) 64 linear heads in one pass against the same 64, each alone, by the same code. A few epochs are timed, and of the
    64 a few members.
(c) float16 against float32 storage: test accuracy of the chosen logistic head on a second file, `--float32`.
(d) every head with its defaults: chosen, refitted, scored once on the test split.
(e) All 45 C values with the refit, against one fit of scikit-learn's lbfgs (float32, tol 1e-4) at the chosen C to all
    rows; sides alternate, the least of `--repeats` counts.

    python -m benchmarks.heads FEATURES.h5 [--parts path,stack,storage,heads,search] [--float32 FEATURES32.h5]
        [--rows 5000] [--every 1] [--repeats 3]
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
from extract.features.store import FeatureFile, SplitFeatures
from extract.runtime.devices import resolve_device
from heads.design import standardization
from heads.logistic.head import LogisticHead
from heads.logistic.space import C_GRID
from heads.neural.grid import Rows, train_grid
from heads.neural.space import HeadRecipe, Member

LIBRARIES = ("torch", "scikit-learn", "numpy", "scipy")
GRIDS = {"1": C_GRID[:25], "10": C_GRID[:29]}  # by their greatest C: above, only scikit-learn fits to the end
STACK = [Member((), rate, decay) for rate in np.geomspace(1e-4, 1e-2, 8) for decay in np.geomspace(1e-4, 1.0, 8)]


def main() -> None:
    """Parses the command line, measures the parts, writes the result file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--parts", default="path,stack,heads")
    parser.add_argument("--float32", type=Path, help="the same features stored as float32, for the part `storage`")
    parser.add_argument("--rows", type=int, help="training rows of the part `path`, drawn by seed 0 (default: all)")
    parser.add_argument(
        "--every", type=int, default=4, help="C values of the part `path` from one measured to the next"
    )
    parser.add_argument("--repeats", type=int, default=1, help="of both sides in `path` and `search`")
    given = parser.parse_args()
    device = resolve_device("auto")
    file = FeatureFile(given.features)
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "path": lambda file, *, device: path_against_scikit_learn(
            drawn(file.read("train"), given.rows), device=device, every=given.every, repeats=given.repeats
        ),
        "stack": stacked_against_alone,
        "storage": lambda file, *, device: storage(file, FeatureFile(given.float32), device=device),
        "heads": every_head,
        "search": lambda file, *, device: search_against_one_fit(
            file.read("train"), device=device, repeats=given.repeats
        ),
    }
    results = earlier_today("heads", "results")
    for name in given.parts.split(","):
        results[name] = parts[name](file, device=device)
        print(name, results[name], flush=True)
        content = {"device": device, "threads": torch.get_num_threads(), "content": file.content, "results": results}
        print(write("heads", content, libraries=LIBRARIES), flush=True)


def drawn(train: SplitFeatures, rows: int | None) -> SplitFeatures:
    """A seeded sample of `rows` of the training split; all of it for None."""
    some = np.sort(np.random.default_rng(0).permutation(len(train.labels))[:rows])
    return SplitFeatures(train.features[:1, some], train.labels[some], tuple(train.ids[row] for row in some))


def path_against_scikit_learn(train: SplitFeatures, *, device: str, every: int, repeats: int) -> dict[str, Any]:
    """(a), all sides on the plain view."""
    keep, hold = heads.validation_split(train.labels)
    longest = GRIDS["10"]
    measured = sorted({*range(0, len(longest), every), len(longest) - 1})
    ours: dict[str, list[float]] = {limit: [] for limit in GRIDS}
    theirs: dict[str, list[list[float]]] = {"float32": [], "float64": []}
    for _ in range(repeats):
        for limit, grid in GRIDS.items():
            choice, seconds = path(train, grid, device=device)
            ours[limit].append(seconds)
        for kind, rounds in theirs.items():
            rounds.append(lbfgs(train, keep, hold, dtype=kind, values=[longest[place] for place in measured]))
    chosen = longest.index(float(choice.options["C"]))  # type: ignore[arg-type]
    exact = {C: exact_loss(train, keep, hold, C=C) for C in longest[max(chosen - 1, 0) : chosen + 2]}
    return {
        "rows": len(train.labels),
        "scikit_learn_measured_C": [longest[place] for place in measured],
        "up_to": {
            limit: compared(min(ours[limit]), theirs, measured, count=len(grid)) for limit, grid in GRIDS.items()
        },
        "chosen_C": longest[chosen],
        "exact_validation_loss_near_the_choice": exact,
        "loss_of_choice_over_best": exact[longest[chosen]] / min(exact.values()) - 1,
    }


def search_against_one_fit(train: SplitFeatures, *, device: str, repeats: int) -> dict[str, Any]:
    """(e)."""
    rows, ours, theirs = np.arange(len(train.labels)), [], []
    for _ in range(repeats):
        choice, seconds = path(train, C_GRID, device=device)
        ours.append(seconds)
        theirs += lbfgs(train, rows, rows[:1], dtype="float32", values=[float(choice.options["C"])])  # type: ignore[arg-type]
    return {
        "rows": len(rows),
        "values_of_C": len(C_GRID),
        "chosen_C": choice.options["C"],
        "ours_seconds": ours,
        "scikit_learn_one_fit_seconds": theirs,
        "ours_over_one_fit": min(ours) / min(theirs),
    }


def path(train: SplitFeatures, grid: tuple[float, ...], *, device: str) -> tuple[heads.Choice, float]:
    """Our choice over `grid` and its seconds, the refit among them."""
    start = time.perf_counter()
    _, choice = heads.fit_head(
        "logistic", {"c_grid": grid}, features=train.features[0], labels=train.labels, device=device
    )
    return choice, time.perf_counter() - start


def compared(ours: float, theirs: dict[str, list[list[float]]], measured: list[int], *, count: int) -> dict[str, Any]:
    """Seconds of both sides for the first `count` values of C, scikit-learn's interpolated between those measured."""
    totals = {
        kind: float(np.interp(np.arange(count), measured, np.min(rounds, axis=0)).sum())
        for kind, rounds in theirs.items()
    }
    return {
        "values_of_C": count,
        "measured": sum(place < count for place in measured),
        "ours_seconds": ours,
        "scikit_learn_seconds": totals,
        "times_faster": {kind: seconds / ours for kind, seconds in totals.items()},
    }


def lbfgs(train: SplitFeatures, keep: np.ndarray, hold: np.ndarray, *, dtype: str, values: list[float]) -> list[float]:
    """Seconds of scikit-learn at each C of `values`."""
    matrix, _ = standardized(train, keep, hold, dtype=dtype)
    measured = []
    for C in values:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            LogisticRegression(C=C, tol=1e-4, max_iter=10_000).fit(matrix, train.labels[keep])
        measured.append(time.perf_counter() - start)
        print(dtype, C, measured[-1], flush=True)
    return measured


def standardized(
    train: SplitFeatures, keep: np.ndarray, hold: np.ndarray, *, dtype: str
) -> tuple[np.ndarray, np.ndarray]:
    """Kept and validation rows, standardized by the kept."""
    features = torch.from_numpy(train.features[0])
    standard = standardization(features[keep])
    kind = getattr(torch, dtype)
    return standard.apply(features[keep], kind).numpy(), standard.apply(features[hold], kind).numpy()


def exact_loss(train: SplitFeatures, keep: np.ndarray, hold: np.ndarray, *, C: float) -> float:
    """The validation log loss of the fully converged regression at C."""
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
    recipe = HeadRecipe(epochs=30, batch_size=512)
    seconds = []
    for stop_epoch in (1, 1, 3):  # the first call warms up
        start = time.perf_counter()
        train_grid(rows, members=members, recipe=recipe, n_classes=10, stop_epoch=stop_epoch, seed=0)
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
    for kind in heads.kinds():
        fitted[kind] = heads.fit_head(kind, features=train.features, labels=train.labels, device=device)
        print(kind, fitted[kind][1].options, fitted[kind][1].validation.accuracy, flush=True)
    test = file.read("test")  # only now: nothing is chosen after this line
    return {kind: scored(head, choice, test) for kind, (head, choice) in fitted.items()}


def scored(head: heads.Head, choice: heads.Choice, test: SplitFeatures) -> dict[str, Any]:
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
