"""What a prediction says of itself, on CIFAR-10: coverage of its sets, and images that are unlike anything seen.

The logistic head is chosen and refitted as `pipeline fit-head` does; sets and the unlike score go by its validation
images, and the test images judge them. Digits (scikit-learn's, of 8 x 8 pixels) are what the head has never seen; so
are the vehicles for a head that knows the animals alone.

    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset cifar10
    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset digits
    python -m benchmarks.trust CIFAR10.h5 DIGITS.h5
"""

import argparse
import math
from pathlib import Path

import numpy as np
from scipy.stats import betabinom, binom
from sklearn.metrics import roc_auc_score

import heads
from benchmarks.hardware import write
from extract.features.store import FeatureFile, SplitFeatures
from heads.trust import conformal
from heads.trust.novelty import UNLIKE, Reference
from pipelines.predict.trust import probabilities

VALIDATION, SEED = 0.1, 0
C_GRID = [1e-4, 3e-4, 1e-3, 3e-3]  # about the best of the usual 45
ANIMALS = (2, 3, 4, 5, 6, 7)


def main() -> None:
    """Parses the command line, fits, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("digits", type=Path)
    given = parser.parse_args()
    file = FeatureFile(given.features)
    train, test, digits = file.read("train"), file.read("test"), FeatureFile(given.digits).read("test").features[0]
    animal = np.isin(test.labels, ANIMALS)
    known = np.flatnonzero(np.isin(train.labels, ANIMALS))
    seen, animals = test.features[0], test.features[0][animal]
    result = {
        "backbone": file.spec["backbone"],
        "coverage": coverage(train, test),
        "unlike": {
            "CIFAR-10 against digits": unlike(train, np.arange(len(train.labels)), seen, digits),
            "animals against vehicles": unlike(train, known, animals, test.features[0][~animal]),
        },
    }
    print(result)
    print(write("trust", result, libraries=("torch", "scikit-learn", "numpy")))


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
    for wanted in (0.8, 0.9, 0.95, 0.99):
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


if __name__ == "__main__":
    main()
