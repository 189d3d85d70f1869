"""Find the test images of CIFAR-10 that have a near-copy among its training or other test images.

Candidates are the nearest images of each test image by exact search: by features of a frozen backbone, by pixels, and
by the pixels of its mirror image. The score is that of `extract.duplicates.registration`, without
crops, times sqrt(f), f the correlation of the features. LEAST_SCORE was chosen by looking at the pairs (`--pictures`).

    pipeline extract --backbone tf_efficientnet_lite0 --weights packaged --dataset cifar10
    python -m benchmarks.near_copies FEATURES.h5 DATA_DIR [--pictures DIR]
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.hardware import write
from extract.data import cifar, near_copies
from extract.duplicates import registration
from extract.duplicates.registration import unit
from extract.features.store import FeatureFile

LEAST_SCORE = 10.0
NEIGHBORS, LEAST_NEIGHBOR = 10, {"features": 0.55, "pixels": 0.8, "mirror image": 0.8}
ROWS = 500
PUBLISHED = 325  # Barz and Denzler, "Do we train on test data?", 2020: 3.25 % of the test images


def neighbors(queries: Tensor, table: Tensor, *, least: float) -> set[tuple[int, int]]:
    """(row of a query, row of the table) of its nearest rows, less itself, the table's row of the same number."""
    found: set[tuple[int, int]] = set()
    for start in range(0, len(queries), ROWS):
        products = queries[start : start + ROWS] @ table.T
        own = torch.arange(len(products))
        products[own, start + own] = -1
        values, places = products.topk(NEIGHBORS, dim=1)
        rows, columns = torch.nonzero(values > least, as_tuple=True)
        found |= set(zip((start + rows).tolist(), places[rows, columns].tolist(), strict=True))
    return found


def scores(pairs: Tensor, images: Tensor, features: Tensor) -> Tensor:
    """The score of each of the `pairs` [P, 2] of rows of uint8 `images` and unit `features`."""
    alike = (features[pairs[:, 0]] * features[pairs[:, 1]]).sum(1).clamp_min(0)
    return registration.scores(pairs, images, crops=False)[0] * alike.sqrt()


def best_copies(pairs: Tensor, found: Tensor, *, test_count: int) -> dict[int, tuple[int, float]]:
    """Row of a test image -> (row of its most similar image, score). Of a pair within the test split the first stays.

    Rows count the test images first.
    """
    best: dict[int, tuple[int, float]] = {}
    for place in torch.argsort(found, descending=True).tolist():
        row, other = pairs[place].tolist()
        if other >= test_count or other < row:
            best.setdefault(row, (other, float(found[place])))
    return best


def picture(pairs: list[tuple[int, int]], images: np.ndarray, path: Path) -> None:
    """Pairs side by side, nine in a line."""
    lines = -(-len(pairs) // 9)
    canvas = np.full((lines * 36, 9 * 72, 3), 255, np.uint8)
    for place, pair in enumerate(pairs):
        top, left = place // 9 * 36, place % 9 * 72
        canvas[top : top + 32, left : left + 64] = np.concatenate(images[list(pair)], axis=2).transpose(1, 2, 0)
    Image.fromarray(canvas).resize((9 * 144, lines * 72), Image.Resampling.NEAREST).save(path)


def main() -> None:
    """Writes the list beside `extract.data.near_copies`, and the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    file = FeatureFile(given.features)
    splits = [cifar.load("cifar10", cifar.find("cifar10", given.data_dir)).splits[name] for name in ("test", "train")]
    ids = [one for split in splits for one in split.ids]
    array = np.concatenate([split.images.array for split in splits])
    images, test_count = torch.from_numpy(array), len(splits[0])
    kept = [torch.from_numpy(file.read(name).features[0]).float() for name in ("test", "train")]
    features = torch.cat(kept) - kept[1].mean(0)
    features = features / features.norm(dim=1, keepdim=True)
    pixels = unit(images.float().flatten(1))
    mirrored = unit(images[:test_count].flip(-1).float().flatten(1))
    tables = {"features": (features[:test_count], features), "pixels": (pixels[:test_count], pixels)}
    tables["mirror image"] = (mirrored, pixels)
    pairs = torch.tensor(
        sorted(set().union(*(neighbors(*tables[name], least=LEAST_NEIGHBOR[name]) for name in tables)))
    )
    best = best_copies(pairs, scores(pairs, images, features), test_count=test_count)
    copies = {row: other for row, (other, score) in sorted(best.items()) if score >= LEAST_SCORE}
    near_copies.PATH.write_text("".join(f"{ids[row]},{ids[other]}\n" for row, other in copies.items()))
    for low in range(4, 20) if given.pictures else ():
        some = [(row, other) for row, (other, score) in best.items() if low <= score < low + 1]
        picture(some[:90], array, given.pictures / f"score-{low}.png")
    results = {
        "candidates": len(pairs),
        "images by least score": {low: sum(score >= low for _, score in best.values()) for low in range(5, 21)},
        "least score": LEAST_SCORE,
        "listed": len(copies),
        "copy in the training split": sum(other >= test_count for other in copies.values()),
        "published": PUBLISHED,
    }
    print(results, write("near-copies", results, libraries=("torch", "numpy")))


if __name__ == "__main__":
    main()
