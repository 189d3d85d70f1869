"""Cost of rounding for a head: bfloat16 arithmetic and float16 storage against float32, on real CIFAR-10 images.

One backbone, the same images on every side; the logistic head is chosen and refitted on each side's training
features as `pipeline fit-head` does, and all sides are scored on the same test images, so differences are in pairs.

exact:    float32 arithmetic, stored as float32;
float16:  the same, stored as float16;
bfloat16: bfloat16 arithmetic (`extract.backbones.reduced`), stored as float16. Where the processor has no bfloat16
units they are simulated: float32 arithmetic, every result of a bfloat16 layer rounded, as units that accumulate in
          float32 give it. The result file says which.

    python -m benchmarks.rounding --data-dir DIR [--train 10000] [--test 10000] [--keep FILE.npz]
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import heads
from benchmarks.hardware import earlier_today, write
from extract.backbones import frozen
from extract.backbones.reduced import as_units_round
from extract.data import cifar
from extract.data.images import Pixels
from extract.features import embed, engines
from extract.features.embed import source
from extract.runtime.devices import resolve_device
from extract.runtime.machine import processor_has_bfloat16

LIBRARIES = ("torch", "timm", "scikit-learn", "numpy")
BATCH = 50


def main() -> None:
    """Parses the command line, embeds, fits, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="packaged")
    parser.add_argument("--train", type=int, default=10_000, help="the first so many training images")
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="keeps the embeddings; those found there are not computed")
    given = parser.parse_args()
    device = resolve_device("auto")
    simulated = device == "cpu" and not processor_has_bfloat16()
    splits = cifar.load("cifar10", cifar.find("cifar10", given.data_dir)).splits
    counts = {"train": given.train, "test": given.test}
    sides = dict(np.load(given.keep)) if given.keep is not None and given.keep.exists() else {}
    for name, count in counts.items():
        pixels = splits[name].images
        assert isinstance(pixels, Pixels)
        for precision in ("float32", "bfloat16"):
            key, reduced = f"{name}-{precision}", precision == "bfloat16"
            if len(sides.get(key, ())) < count:
                images = pixels.array[:count]
                sides[key] = embedded(
                    images, given, precision=precision, simulated=simulated and reduced, device=device
                )
            sides[key] = sides[key][:count]
    if given.keep is not None:
        np.savez(given.keep, **sides)  # type: ignore[arg-type]
    labels = {name: splits[name].labels[:count] for name, count in counts.items()}
    found = measured(sides, labels, device=device)
    key = f"{given.backbone}, {given.train} training images"
    results = {**earlier_today("rounding", "results"), key: {"bfloat16_simulated": simulated, **found}}
    print(key, results[key], flush=True)
    print(write("rounding", {"device": device, "results": results}, libraries=LIBRARIES))


@torch.no_grad()
def embedded(
    images: np.ndarray, given: argparse.Namespace, *, precision: str, simulated: bool, device: str
) -> np.ndarray:
    """Embeddings float32 [N, D] of uint8 images [N, 3, 32, 32], in batches, progress printed."""
    backbone = frozen.load(given.backbone, weights=given.weights)
    one = source(Pixels(images), backbone.preprocessing)
    model = embed.Encoder(backbone, resize=one.resize, precision=precision)
    if simulated:
        as_units_round(model.network, torch.bfloat16)
    embedding_of = engines.build(model, engine="eager", device=device)
    rows = []
    for start in range(0, len(images), BATCH):
        rows.append(embedding_of(torch.from_numpy(images[start : start + BATCH]).to(device))[0].cpu())
        if start % 1000 == 0:
            print(precision, start, "of", len(images), flush=True)
    return torch.cat(rows).numpy()


def measured(sides: dict[str, np.ndarray], labels: dict[str, np.ndarray], *, device: str) -> dict[str, Any]:
    """Cosines row by row, and accuracies with their differences in pairs (fractions, 95 % interval, McNemar's p)."""
    stored = {
        "exact": (sides["train-float32"], sides["test-float32"]),
        "float16": tuple(sides[f"{name}-float32"].astype(np.float16) for name in ("train", "test")),
        "bfloat16": tuple(sides[f"{name}-bfloat16"].astype(np.float16) for name in ("train", "test")),
    }
    logits = {}
    for name, (train, test) in stored.items():
        head, _ = heads.fit_head("logistic", features=train[None], labels=labels["train"], device=device)
        logits[name] = head.logits(test)
    found: dict[str, Any] = {
        "cosine": {name: cosines(sides[f"{name}-float32"], sides[f"{name}-bfloat16"]) for name in ("train", "test")},
        "test_accuracy": {name: heads.scores(value, labels["test"]).accuracy for name, value in logits.items()},
    }
    for name in ("float16", "bfloat16"):
        compared = heads.compare(logits["exact"], logits[name], labels=labels["test"])
        found[f"{name} against exact"] = asdict(compared)
    return found


def cosines(left: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Lowest and median cosine of the rows of two matrices [N, D], and how many are not above 0.999."""
    rows = np.einsum("nd,nd->n", left, right) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)
    return {
        "rows": len(rows),
        "lowest": float(rows.min()),
        "median": float(np.median(rows)),
        "not_above_0.999": int((rows <= 0.999).sum()),
    }


if __name__ == "__main__":
    main()
