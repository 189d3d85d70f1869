"""What a prediction says of itself, on CIFAR-10: coverage of its sets, and images that are unlike anything seen.

The logistic head is chosen and refitted as `pipeline fit-head` does; sets and the unlike score go by its validation
images, and the test images judge them. Over many splits of the training images the same is done at one C, by the head
that was refitted and by the one before its refit, whose validation images the limit is from: their difference is what
the refit adds. Digits (scikit-learn's, of 8 x 8 pixels) are what the head has never seen; so
are the vehicles for a head that knows the animals alone.

    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset cifar10
    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset digits
    python -m benchmarks.trust CIFAR10.h5 DIGITS.h5 [--parts coverage unlike splits]
"""

import argparse
import math
from pathlib import Path

import numpy as np
from scipy.stats import beta, betabinom, binom, t
from sklearn.metrics import roc_auc_score

import heads
from benchmarks.hardware import earlier_today, write
from extract.data.images import stratified_rows
from extract.features.store import FeatureFile, SplitFeatures
from heads.metrics import fit_temperature
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
    head, choice = heads.fit_head(
        "logistic", {"c_grid": C_GRID}, features=train.features, labels=train.labels, validation=VALIDATION, seed=SEED
    )
    assert choice.validation_logits is not None
    assert choice.temperature is not None
    _, held = heads.validation_split(train.labels, VALIDATION, seed=SEED)
    shares = probabilities(choice.validation_logits, divisor=choice.temperature)
    tested = probabilities(head.logits(test.features[0]), divisor=choice.temperature)
    found: dict[str, object] = {"accuracy": float((tested.argmax(1) == test.labels).mean())}
    for wanted in COVERAGES:
        least = conformal.least_probability(shares, train.labels[held], coverage=wanted)
        sets = conformal.sets(tested, least)
        hits = sum(int(label) in one for one, label in zip(sets, test.labels, strict=True))
        sizes = np.array([len(one) for one in sets])
        found[str(wanted)] = {
            "covered": hits / len(sets),
            "binomial_interval": [float(end) / len(sets) for end in binom.interval(0.95, len(sets), wanted)],
            "sampling_interval": _sampling_interval(wanted, validation=len(held), test=len(sets)),
            "mean_size": float(sizes.mean()),
            "empty": float((sizes == 0).mean()),
        }
    return found


def _sampling_interval(wanted: float, *, validation: int, test: int) -> list[float]:
    """Where 95 % of such measurements lie: the limit comes from so many validation images, which are a sample too."""
    rank = math.ceil((validation + 1) * wanted)
    return [float(end) / test for end in betabinom.interval(0.95, test, rank, validation + 1 - rank)]


def splits(train: SplitFeatures, test: SplitFeatures) -> dict[str, object]:
    """Coverage over many splits, by the number of training images."""
    return {str(rows): _over_splits(train, test, rows=rows, count=count) for rows, count in SPLITS.items()}


def _over_splits(train: SplitFeatures, test: SplitFeatures, *, rows: int, count: int) -> dict[str, object]:
    """Coverage of the test images over `count` draws of `rows` training images and of their validation part."""
    found: dict[float, list[tuple[float, float]]] = {wanted: [] for wanted in COVERAGES}
    C, after, held = 0.0, None, np.empty(0)
    for seed in range(count):
        chosen = stratified_rows(train.labels, rows, seed=seed)
        features, labels = train.features[0][chosen], train.labels[chosen]
        keep, held = heads.validation_split(labels, VALIDATION, seed=seed)
        C = C or _best_C(features, labels)
        before = heads.LogisticHead(C=C).fit(features[keep], labels[keep])
        if after is None or rows < len(train.labels):
            after = heads.LogisticHead(C=C).fit(features, labels).logits(test.features[0])
        own, truth = before.logits(features[held]), (np.arange(len(test.labels)), test.labels)
        divisor = fit_temperature(own, labels[held])
        shares = [probabilities(one, divisor=divisor)[truth] for one in (after, before.logits(test.features[0]))]
        for wanted in COVERAGES:
            least = conformal.least_probability(probabilities(own, divisor=divisor), labels[held], coverage=wanted)
            found[wanted].append(tuple(float((one >= least).mean()) for one in shares))
        print(rows, seed, found[0.9][-1], flush=True)
    summed = {str(wanted): _summary(np.array(pairs), wanted, len(held)) for wanted, pairs in found.items()}
    return {"C": C, "splits": count, "validation": len(held), **summed}


def _best_C(features: np.ndarray, labels: np.ndarray) -> float:
    """The C that a search chooses on the first split; it is that of all others."""
    grid = C_GRID if len(labels) > FEW else [*C_GRID, 1e-2, 3e-2, 1e-1]
    _, choice = heads.fit_head("logistic", {"c_grid": grid}, features=features, labels=labels, seed=SEED)
    return float(choice.options["C"])


def _summary(pairs: np.ndarray, wanted: float, validation: int) -> dict[str, object]:
    """Means of `pairs` [S, 2], after and before the refit, over the splits, with 95 % intervals for these images."""
    rank = math.ceil((validation + 1) * wanted)
    columns = {"refitted": pairs[:, 0], "before the refit": pairs[:, 1], "added by the refit": pairs @ (1, -1)}
    half = {name: t.ppf(0.975, len(one) - 1) * one.std(ddof=1) / len(one) ** 0.5 for name, one in columns.items()}
    return {
        "stated": rank / (validation + 1),
        "deviation": float(pairs[:, 1].std(ddof=1)),
        "deviation by theory": float(beta.std(rank, validation + 1 - rank)),
        **{
            name: {"mean": float(one.mean()), "interval": [float(one.mean() + at * half[name]) for at in (-1, 1)]}
            for name, one in columns.items()
        },
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
