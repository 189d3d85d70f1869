"""What a prediction says of itself, on CIFAR-10: coverage of its sets, and images that are unlike anything seen.

The logistic head is chosen and refitted as `pipeline fit-head` does, and the test images judge it. Its sets go by all
training images, each judged by a head that did not learn from it; over many splits of the training images they are
compared with sets by the validation images alone, as other heads have them, both at one C. Digits (scikit-learn's, of 8
x 8 pixels) are what the head has never seen; so are the vehicles for a head that knows the animals alone.

    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset cifar10
    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset digits
    python -m benchmarks.trust CIFAR10.h5 DIGITS.h5 [--parts coverage unlike splits]
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import beta, betabinom, binom, t
from sklearn.metrics import roc_auc_score

import heads
from benchmarks.hardware import earlier_today, write
from extract.data.images import stratified_rows
from extract.features.store import FeatureFile, SplitFeatures
from heads.analysis.own import own_probabilities
from heads.trust import conformal
from heads.trust.novelty import UNLIKE, Reference
from pipelines.predict.trust import probabilities

VALIDATION, SEED = 0.1, 0
C_GRID = [1e-4, 3e-4, 1e-3, 3e-3]  # about the best of the usual 45
ANIMALS = (2, 3, 4, 5, 6, 7)
COVERAGES = (0.8, 0.9, 0.95, 0.99)
FEW = 10_000
SPLITS = {50_000: 20, 1_000: 100}  # training images: how often they are drawn and split


def main() -> None:
    """Parses the command line, fits, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("digits", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    file = FeatureFile(given.features)
    train, test, digits = file.read("train"), file.read("test"), FeatureFile(given.digits).read("test").features[0]
    made = {name: PARTS[name](train, test, digits) for name in given.parts}
    result = {name: made[name] if name in made else earlier_today("trust", name) for name in PARTS}
    print(made)
    print(write("trust", {"backbone": file.spec["backbone"], **result}, libraries=("torch", "scikit-learn", "numpy")))


def coverage(train: SplitFeatures, test: SplitFeatures) -> dict[str, object]:
    """Share of the test images whose set holds their class, by the coverage that was asked for."""
    sides = _sides(train.features[0], train.labels, test, c_grid=C_GRID, seed=SEED)
    truth = sides.tested[np.arange(len(test.labels)), test.labels]
    found: dict[str, object] = {"accuracy": float((sides.tested.argmax(1) == test.labels).mean())}
    for wanted in COVERAGES:
        least = conformal.least_probability(sides.own["folds"], coverage=wanted)
        sizes = (sides.tested >= least).sum(1)
        found[str(wanted)] = {
            "covered": float((truth >= least).mean()),
            "binomial_interval": [float(end) / len(truth) for end in binom.interval(0.95, len(truth), wanted)],
            "sampling_interval": _sampling_interval(wanted, judged=len(sides.own["folds"]), test=len(truth)),
            "mean_size": float(sizes.mean()),
            "empty": float((sizes == 0).mean()),
        }
    return found


@dataclass(frozen=True)
class _Sides:
    """Calibrated probabilities: `tested` [N, K] of the test images, `own` by which images the limit goes, `C`."""

    tested: np.ndarray
    own: dict[str, np.ndarray]
    C: float


def _sides(features: np.ndarray, labels: np.ndarray, test: SplitFeatures, *, c_grid: list[float], seed: int) -> _Sides:
    """As `pipeline fit-head` chooses, refits and keeps, by the validation images and by folds of all of them."""
    head, choice = heads.fit_head(
        "logistic", {"c_grid": c_grid}, features=features, labels=labels, validation=VALIDATION, seed=seed
    )
    assert choice.validation_logits is not None
    assert choice.temperature is not None
    _, held = heads.validation_split(labels, VALIDATION, seed=seed)
    shares = probabilities(choice.validation_logits, divisor=choice.temperature)
    space = heads.space_class("logistic")(c_grid=tuple(c_grid))
    folds = own_probabilities(space, choice, features, labels)
    assert folds is not None
    own = {"validation": shares[np.arange(len(held)), labels[held]], "folds": folds["calibrated"]}
    tested = probabilities(head.logits(test.features[0]), divisor=choice.temperature)
    return _Sides(tested, own, float(choice.options["C"]))


def _sampling_interval(wanted: float, *, judged: int, test: int) -> list[float]:
    """Where 95 % of such measurements lie: the limit comes from so many other images, which are a sample too."""
    rank = math.ceil((judged + 1) * wanted)
    return [float(end) / test for end in betabinom.interval(0.95, test, rank, judged + 1 - rank)]


def splits(train: SplitFeatures, test: SplitFeatures) -> dict[str, object]:
    """Coverage over many splits, by the number of training images."""
    return {str(rows): _over_splits(train, test, rows=rows, count=count) for rows, count in SPLITS.items()}


def _over_splits(train: SplitFeatures, test: SplitFeatures, *, rows: int, count: int) -> dict[str, object]:
    """Coverage of the test images over `count` draws of `rows` training images and of their validation part."""
    found: dict[float, list[dict[str, float]]] = {wanted: [] for wanted in COVERAGES}
    grid = C_GRID if rows > FEW else [*C_GRID, 1e-2, 3e-2, 1e-1]
    sizes: dict[str, int] = {}
    for seed in range(count):
        chosen = stratified_rows(train.labels, rows, seed=seed)
        sides = _sides(train.features[0][chosen], train.labels[chosen], test, c_grid=grid, seed=seed)
        grid, sizes = (
            [sides.C],
            {name: len(one) for name, one in sides.own.items()},
        )  # the first's choice is all others'
        truth = sides.tested[np.arange(len(test.labels)), test.labels]
        for wanted in COVERAGES:
            limits = {name: conformal.least_probability(one, coverage=wanted) for name, one in sides.own.items()}
            found[wanted].append({name: float((truth >= least).mean()) for name, least in limits.items()})
        print(rows, seed, found[0.9][-1], flush=True)
    summed = {
        str(wanted): {
            name: _summary(np.array([one[name] for one in draws]), wanted, size) for name, size in sizes.items()
        }
        for wanted, draws in found.items()
    }
    return {"C": grid[0], "splits": count, "validation": sizes["validation"], **summed}


def _summary(covered: np.ndarray, wanted: float, judged: int) -> dict[str, object]:
    """Mean of `covered` [S] over the splits with its 95 % interval for these test images, and its deviation."""
    rank, mean = math.ceil((judged + 1) * wanted), float(covered.mean())
    half = t.ppf(0.975, len(covered) - 1) * covered.std(ddof=1) / len(covered) ** 0.5
    return {
        "mean": mean,
        "interval": [float(mean - half), float(mean + half)],
        "deviation": float(covered.std(ddof=1)),
        "deviation by theory": float(beta.std(rank, judged + 1 - rank)),
    }


def unlikes(train: SplitFeatures, test: SplitFeatures, digits: np.ndarray) -> dict[str, object]:
    """How well digits are told from CIFAR-10, and vehicles from animals by a head that knows these alone."""
    animal = np.isin(test.labels, ANIMALS)
    known, seen = np.flatnonzero(np.isin(train.labels, ANIMALS)), test.features[0]
    return {
        "CIFAR-10 against digits": unlike(train, np.arange(len(train.labels)), seen, digits),
        "animals against vehicles": unlike(train, known, seen[animal], seen[~animal]),
    }


def unlike(train: SplitFeatures, rows: np.ndarray, seen: np.ndarray, unseen: np.ndarray) -> dict[str, float]:
    """How well the distance tells `seen` from `unseen` [N, D], for a head on the training `rows`."""
    keep, held = heads.validation_split(train.labels[rows], VALIDATION, seed=SEED)
    reference = Reference.of(train.features[0], rows[keep], rows[held], seed=SEED)
    near, far = reference.distances_of(seen), reference.distances_of(unseen)
    flagged = [reference.farther_than(one) for one in (near, far)]
    assert flagged[0] is not None
    assert flagged[1] is not None
    return {
        "auroc": float(roc_auc_score(np.repeat([0, 1], (len(near), len(far))), np.concatenate([near, far]))),
        "seen_called_unlike": float((flagged[0] >= UNLIKE).mean()),
        "unseen_called_unlike": float((flagged[1] >= UNLIKE).mean()),
    }


PARTS = {
    "coverage": lambda train, test, digits: coverage(train, test),
    "splits": lambda train, test, digits: splits(train, test),
    "unlike": unlikes,
}

if __name__ == "__main__":
    main()
