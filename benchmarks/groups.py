"""Accuracy of the same photos split by image and by object: how much too good a split is that tears groups.

300 images of CIFAR-10 are objects, each photographed five times: crops of 28 x 28 pixels, some mirrored. A file of
labels names class and object. A logistic head on frozen features is fitted three times: splits by image, splits by
object, and trained on all photos and scored on 1,000 images of other objects, which is the truth.

    python -m benchmarks.groups --data-dir DIR [--workspace DIR]
"""

import argparse
import contextlib
import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.hardware import write
from extract.data import cifar
from extract.data.images import ImageSplit, Pixels, stratified_rows
from pipelines.cli import main as pipeline
from pipelines.workspace import records

OBJECTS, PHOTOS, TEST, SIDE = 300, 5, 1000, 28
HEAD = ("--backbone", "tf_efficientnet_lite0", "--weights", "packaged", "--image-size", "64", "--json")
COLUMNS = {"by image": "group=none,split=none", "by object": "split=none", "truth": "group=object"}


def main() -> None:
    """Parses the command line, lays the photos, fits the three heads, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--workspace", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "photos"
        lay(root, cifar.load("cifar10", cifar.find("cifar10", given.data_dir)).splits)
        workspace = given.workspace or Path(scratch) / "workspace"
        results = {name: fitted(root, name, workspace) for name in COLUMNS}
    print(json.dumps(results, indent=1))
    print(write("groups", {"objects": OBJECTS, "photos of each": PHOTOS, **results}, libraries=("torch", "timm")))


def lay(root: Path, splits: dict[str, ImageSplit]) -> None:
    """The photos below `root`, and one file of labels for each fit."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    train = splits["train"].take(stratified_rows(splits["train"].labels, OBJECTS, seed=0))
    test = splits["test"].take(stratified_rows(splits["test"].labels, TEST, seed=0))
    rows = []
    for name, split, photos in (("train", train, PHOTOS), ("test", test, 1)):
        assert isinstance(split.images, Pixels)
        for row, (array, label) in enumerate(zip(split.images.array, split.labels, strict=True)):
            for photo in range(photos):
                top, left = rng.integers(0, 33 - SIDE, 2)
                pixels = array[:, top : top + SIDE, left : left + SIDE].transpose(1, 2, 0)
                pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
                path = f"{name}-{row:04d}-{photo}.png"
                Image.fromarray(np.ascontiguousarray(pixels)).save(root / path)
                rows.append((path, int(label), name, f"{name} {row}"))
    for name in COLUMNS:
        with (root.parent / f"{name}.csv").open("w", newline="") as file:
            kept = [row for row in rows if name == "truth" or row[2] == "train"]
            csv.writer(file).writerows([("path", "label", "split", "object"), *kept])


def fitted(root: Path, name: str, workspace: Path) -> dict[str, Any]:
    """Validation and test accuracy of a head, each with the images that it was measured on."""
    labels = ("--labels", str(root.parent / f"{name}.csv"), "--columns", COLUMNS[name])
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        pipeline(["fit-head", "--dataset", str(root), *labels, *HEAD, "--workspace", str(workspace)])
    record = records.done(workspace, json.loads(out.getvalue())["run"])
    assert record.validation is not None
    scored = {"validation": record.validation, "test": record.test}
    return {
        name: {"accuracy": one.accuracy, "interval": one.interval, "images": one.rows} for name, one in scored.items()
    }


if __name__ == "__main__":
    main()
