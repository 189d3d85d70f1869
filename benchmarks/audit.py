"""What `pipeline audit` finds on CIFAR-10 where the faults are known: changed labels, and copies of test images.

5 % of the training labels are changed at random. 200 test images are copied into the training split, each mirrored,
cropped by 2 pixels and enlarged again, and written as JPEG of quality 80, all three at once. Copies that CIFAR-10 has
by itself are told by the list of `extract.data.near_copies`; others that audit names (`--pictures` draws them) were
looked at one by one: 87 of 99 are copies too.

    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset cifar10
    pip install cleanlab  # the peer, judged by the same probabilities
    python -m benchmarks.audit FEATURES.h5 DATA_DIR [--pictures DIR]
"""

import argparse
import importlib
import io
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.hardware import write
from benchmarks.near_copies import picture
from extract import FeatureFile, TimmEncoder
from extract.data import cifar, near_copies
from extract.duplicates.search import Neighborhood, neighborhood
from heads.analysis.labels import confidence, doubts, out_of_fold

COPIES, CHANGED, LOOKED_AT = 200, 0.05, 0.06
# Rows of training images, not on the list, that audit takes for copies of test images and that, looked at, are copies.
# fmt: off
SEEN = (
    981, 1394, 2867, 3111, 3224, 3836, 3942, 5045, 5186, 5669, 6121, 6582, 6757, 6971, 7591, 9177, 9891, 9917,
    10505, 12552, 13372, 15886, 16381, 17198, 17208, 17619, 17738, 17865, 18280, 18682, 19027, 19707, 20430, 21220,
    21606, 22475, 22504, 22558, 22977, 23096, 23413, 25448, 26390, 26394, 27598, 27876, 28482, 28831, 28922, 29082,
    29214, 30068, 30413, 30821, 31604, 32192, 32267, 34429, 34694, 35158, 35685, 35831, 35949, 36183, 37250, 37926,
    38062, 38155, 38416, 39202, 39842, 39946, 40991, 41487, 45406, 46134, 46603, 46617, 46891, 46913, 47318, 47399,
    48547, 48901, 49122, 49466, 49961,
)
# fmt: on


def altered(image: np.ndarray) -> np.ndarray:
    """An image uint8 [3, 32, 32] mirrored, cropped by 2 pixels of each edge, enlarged, and through JPEG."""
    cropped = Image.fromarray(np.ascontiguousarray(image[:, 2:-2, -3:1:-1].transpose(1, 2, 0)))
    buffer = io.BytesIO()
    cropped.resize(image.shape[1:], Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer).convert("RGB")).transpose(2, 0, 1)


def copies_found(near: Neighborhood, *, training: int, sources: np.ndarray) -> dict[str, object]:
    """How many of the copies, the last of the `training` rows, stand in the group of their source, a row; and which
    other training images are said to be copies of test images."""
    copies = np.arange(training - len(sources), training)
    found = near.group[copies] == near.group[sources]
    of_tests = np.isin(near.group[:training], near.group[training:])
    listed = [f"test/{row:05d}" for row in range(len(near.group) - training)]
    known = np.array([one in near_copies.near_copies() for one in listed])
    own = np.flatnonzero(of_tests[: training - len(sources)])
    is_known = np.isin(near.group[own], near.group[training:][known])
    by_eye = np.isin(own, SEEN) & ~is_known
    return {
        "copies": len(sources),
        "found": int(found.sum()),
        "training images said to be near-duplicates of test images": int(of_tests.sum()),
        "of these copies that were made": int(of_tests[copies].sum()),
        "of these near-duplicates of listed test images": int(is_known.sum()),
        "of these copies by eye": int(by_eye.sum()),
        "precision, made and listed ones": float((of_tests[copies].sum() + is_known.sum()) / of_tests.sum()),
        "precision, with copies by eye": float(
            (of_tests[copies].sum() + is_known.sum() + by_eye.sum()) / of_tests.sum()
        ),
        "others": [int(row) for row in own[~is_known]],
    }


def labels_found(file: FeatureFile, near: Neighborhood) -> dict[str, object]:
    """How many of the changed labels are among the first, by their probability."""
    train, test = file.read("train"), file.read("test")
    rng, count = np.random.default_rng(0), len(train.labels)
    changed = rng.choice(count, round(CHANGED * count), replace=False)
    labels = train.labels.copy()
    labels[changed] = (labels[changed] + rng.integers(1, 10, len(changed))) % 10
    found = out_of_fold(
        torch.from_numpy(train.features[0]),
        labels,
        further=torch.from_numpy(test.features[0]),
        n_classes=10,
        groups=near.group[:count],
    )
    said = doubts(found.training, labels, confidence=confidence(found.training, labels))
    first = np.argsort(said.probability, kind="stable")[: round(LOOKED_AT * count)]
    return {
        "changed": len(changed),
        "share of the changed among the first 6 %": float(np.isin(changed, first).mean()),
        "doubted": int(said.doubted.sum()),
        "share of the changed that are doubted": float(said.doubted[changed].mean()),
        "share of the doubted that were changed": float(np.isin(np.flatnonzero(said.doubted), changed).mean()),
        "out-of-fold accuracy on the true labels": float((found.training.argmax(1) == train.labels).mean()),
        "cleanlab": by_cleanlab(found.training, labels, changed, doubted=said.doubted),
    }


def by_cleanlab(
    log_probabilities: np.ndarray, labels: np.ndarray, changed: np.ndarray, *, doubted: np.ndarray
) -> dict[str, object]:
    """What the cleanlab library finds by the same out-of-fold probabilities, by each of its rankings and filters."""
    started = time.perf_counter()
    rank, filters = (importlib.import_module(f"cleanlab.{name}") for name in ("rank", "filter"))
    shares, count = np.exp(log_probabilities), round(LOOKED_AT * len(labels))
    first = {
        name: np.argsort(rank.get_label_quality_scores(labels, shares, method=name), kind="stable")[:count]
        for name in ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    }
    issues = {
        name: np.flatnonzero(filters.find_label_issues(labels, shares, filter_by=name, n_jobs=1))
        for name in ("confident_learning", "prune_by_noise_rate")
    }
    same = np.array_equal(issues["confident_learning"], np.flatnonzero(doubted))
    return {
        "share of the changed among the first 6 %": {
            name: float(np.isin(changed, rows).mean()) for name, rows in first.items()
        },
        "issues": {
            name: {
                "count": len(rows),
                "share of the changed": float(np.isin(changed, rows).mean()),
                "that were changed": float(np.isin(rows, changed).mean()),
            }
            for name, rows in issues.items()
        },
        "the issues of confident learning are the doubted": same,
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    """Writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    file, data = FeatureFile(given.features), cifar.load("cifar10", cifar.find("cifar10", given.data_dir))
    pixels = {name: split.images.array for name, split in data.splits.items()}
    sources = np.sort(np.random.default_rng(0).choice(len(pixels["test"]), COPIES, replace=False))
    made = np.stack([altered(pixels["test"][row]) for row in sources])
    encoder = TimmEncoder(file.spec["backbone"], file.spec["weights"]["source"])
    own = {name: file.read(name).features[0] for name in ("train", "test")}
    features = np.concatenate([own["train"], encoder.transform([*made.transpose(0, 2, 3, 1)]), own["test"]])
    images = np.concatenate([pixels["train"], made, pixels["test"]])
    started = time.perf_counter()
    near = neighborhood(features.astype(np.float16), images, progress=lambda done, total, what: None)
    seconds = {"near-duplicates": time.perf_counter() - started}
    training = len(own["train"]) + COPIES
    found = copies_found(near, training=training, sources=training + sources)
    others = found.pop("others")
    assert isinstance(others, list)
    if given.pictures:
        pairs = [(row, int(near.nearest[row])) for row in others]
        picture(pairs[:180], images, given.pictures / "others.png")
    print(found, seconds, flush=True)
    whole = np.r_[: training - COPIES, training : len(features)]
    started = time.perf_counter()
    alone = Neighborhood(*(np.arange(len(whole)) for _ in range(5)))
    labels = labels_found(file, alone)
    seconds["doubtful labels"] = time.perf_counter() - started
    seconds["both"] = sum(seconds.values())
    results = {"near_duplicates": found, "labels": labels, "seconds": seconds, "threads": torch.get_num_threads()}
    print(results, write("audit", results, libraries=("torch", "numpy", "scipy", "cleanlab")))


if __name__ == "__main__":
    main()
