"""Class weights on a long-tailed CIFAR-10: the largest class has 100 times the images of the smallest.

Class k keeps 5000 * 100^(-k/9) of its training images (Cui et al., "Class-balanced loss", CVPR 2019). Each head is
chosen and refitted as `pipeline fit-head` does, once without and once with balanced weights, and scored on all test
images, of which every class has as many. `as_trained` is the accuracy on images in the training proportions, by the
same recalls.

    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset cifar10
    python -m benchmarks.imbalance FEATURES.h5
"""

import argparse
from pathlib import Path

import numpy as np

import heads
from benchmarks.hardware import earlier_today, write
from extract.features.store import FeatureFile

RATIO = 100
KINDS = ("logistic", "ridge", "linear", "mlp")


def main() -> None:
    """Parses the command line, fits, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--heads", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    file = FeatureFile(given.features)
    train, test = file.read("train"), file.read("test")
    rows = long_tail(train.labels)
    counts = np.bincount(train.labels[rows])
    found = earlier_today("imbalance", "heads")
    for kind in given.heads:
        for weights in ("none", "balanced"):
            head, choice = heads.fit_head(
                kind, {"class_weights": weights}, features=train.features[0][rows], labels=train.labels[rows]
            )
            scores = heads.scores(head.logits(test.features[0]), test.labels)
            recalls = np.array(scores.per_class, float)
            found[f"{kind}, {weights}"] = {
                "balanced_accuracy": scores.balanced_accuracy,
                "macro_f1": scores.macro_f1,
                "recalls": recalls.tolist(),
                "as_trained": float(np.average(recalls, weights=counts)),
                "seconds": choice.search_seconds + choice.fit_seconds,
            }
            print(kind, weights, found[f"{kind}, {weights}"], flush=True)
    result = {"backbone": file.spec["backbone"], "counts": counts.tolist(), "test_rows": len(test.labels)}
    print(write("imbalance", {**result, "heads": found}, libraries=("torch", "scikit-learn", "numpy")))


def long_tail(labels: np.ndarray) -> np.ndarray:
    """Sorted rows int64 of a long-tailed part of `labels` [N]."""
    generator, count = np.random.default_rng(0), int(labels.max()) + 1
    kept = []
    for k in range(count):
        own = generator.permutation(np.flatnonzero(labels == k))
        kept.append(own[: round(len(own) * RATIO ** (-k / (count - 1)))])
    return np.sort(np.concatenate(kept))


if __name__ == "__main__":
    main()
