"""Bitwise comparison of the results of two versions of the source: scores, logits, features, labels, exports.

    python -m benchmarks.same_results TREE OUTPUT [--against EARLIER] [--only WORD]

Runs some forty commands of the checkout TREE (with its own .venv) on digits and, where CIFAR10_DIR names it, on a part
of CIFAR-10, and writes what came out as JSON. With --against, names what differs from an earlier output and exits 1.
The same machine and library versions are meant; one thread computes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
from safetensors.numpy import load_file

KEPT = (
    *("test_accuracy", "log_loss", "validation_accuracy", "chosen", "parameters", "flops", "best_value", "computed"),
    *("images", "few_labels", "best_spec", "error"),
)
TINY = ("--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", "32")
LITE = ("--backbone", "tf_efficientnet_lite0", "--weights", "packaged", "--image-size", "64")
HEADS = ("logistic", "linear", "mlp", "kernel", "ridge", "knn", "centroid")
DIGITS = ("--dataset", "digits", "--flip", "none", "--crop", "0", "--epochs", "2", "--subset", "512")
TINY_NETWORK = ("--network", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", "32")
STUDY = """
defaults: {dataset: digits, weights: untrained, backbone: test_resnet, image_size: 32, subset: 300, test_subset: 100}
jobs:
  - {command: fit-head, head: [ridge, centroid], seed: [0, 1]}
  - {command: train, network: resnet20, width: 0.25, epochs: 1, dataset: digits, subset: 300, test_subset: 100}
search: {head: ridge, trials: 3, space: {alpha_grid: {low: 0.1, high: 10.0, log: true}}}
"""


def main() -> None:
    """Parses the command line, runs the commands, writes and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--against", type=Path, help="an earlier output")
    parser.add_argument("--only", default="", help="commands whose name contains this")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="same-results-") as temporary:
        found = {
            name: result(given.tree.resolve(), Path(temporary), words=words)
            for name, words in commands(Path(temporary)).items()
            if given.only in name
        }
    given.output.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    if given.against is not None:
        earlier = json.loads(given.against.read_text())
        differing = [name for name in found if found[name] != earlier.get(name)]
        for name in differing:
            print(
                f"{name}\n  earlier: {json.dumps(earlier.get(name))[:400]}\n  now:     {json.dumps(found[name])[:400]}"
            )
        print(f"{len(found) - len(differing)} of {len(found)} are the same")
        sys.exit(bool(differing))


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """Name -> words of every command, in the order in which they run. RUN:NAME stands for the run of that command."""
    (folder / "study.yaml").write_text(STUDY)
    return of_features() | of_networks() | of_workspace(folder) | of_cifar10()


def of_features() -> dict[str, tuple[str, ...]]:
    """Extractions and heads on them."""
    shots = ("--head", "ridge", "--shots", "1,5", "--draws", "2")
    return {
        "extract": ("extract", *TINY, "--precision", "float32"),
        "extract-views": ("extract", *TINY, "--precision", "bfloat16", "--views", "flip"),
        **{f"head-{head}": ("fit-head", *TINY, "--precision", "float32", "--head", head) for head in HEADS},
        "head-views": ("fit-head", *TINY, "--precision", "bfloat16", "--views", "flip"),
        "head-shots": ("fit-head", *TINY, "--precision", "float32", *shots),
    }


def of_networks() -> dict[str, tuple[str, ...]]:
    """Networks from scratch and from weights."""
    resnet = ("train", "--network", "resnet20", "--width", "0.25", *DIGITS)
    vgg = ("train", "--network", "vgg11", "--width", "0.125", "--image-size", "32", *DIGITS)
    return {
        "train-resnet": resnet,
        "train-validation": (*resnet, "--validation", "0.2"),
        "train-preact": ("train", "--network", "preact20", "--width", "0.25", *DIGITS, "--recipe", "cpu"),
        "train-densenet": ("train", "--network", "densenet-bc-16-12", *DIGITS, "--mixup", "0.2"),
        "train-vgg": (*vgg, "--cutmix", "1", "--ema", "0.9"),
        **{
            f"finetune-{mode}": ("finetune", *TINY_NETWORK, "--mode", mode, *(() if mode == "frozen" else ONE_EPOCH))
            for mode in ("full", "head-first", "partial:1", "frozen")
        },
    }


def of_workspace(folder: Path) -> dict[str, tuple[str, ...]]:
    """A study, searches, and what is made of the runs of earlier commands."""
    return {
        "study": ("run", str(folder / "study.yaml")),
        "search-head": ("search", str(folder / "study.yaml")),
        "search-network": (
            *("search", "--network", "resnet20", "--width", "0.25", "--dataset", "digits", "--subset", "300"),
            *("--epochs", "1", "--trials", "2", "--validation", "0.2", "--image-size", "32"),
        ),
        "predict-head": ("predict", "--run", "RUN:head-logistic", str(folder / "images")),
        "predict-network": ("predict", "--run", "RUN:train-resnet", str(folder / "images")),
        "export-head": ("export", "--run", "RUN:head-mlp", "--output", str(folder / "head.onnx")),
    }


ONE_EPOCH = ("--epochs", "1", "--flip", "none", "--crop", "0")


def of_cifar10() -> dict[str, tuple[str, ...]]:
    """Commands on real images with real weights, where CIFAR-10 is at hand."""
    if "CIFAR10_DIR" not in os.environ:
        return {}
    few = ("--dataset", "cifar10", "--subset", "600", "--test-subset", "200")
    lite = ("--network", *LITE[1:], *few, "--epochs", "1")
    return {
        "cifar10-extract": ("extract", *LITE, *few, "--precision", "float32"),
        "cifar10-extract-bfloat16": ("extract", *LITE, *few, "--precision", "bfloat16"),
        **{f"cifar10-{head}": ("fit-head", *LITE, *few, "--precision", "float32", "--head", head) for head in HEADS},
        "cifar10-train": ("train", "--network", "resnet20", "--width", "0.5", *few, "--epochs", "2"),
        "cifar10-airbench94": (
            *(
                "train",
                "--network",
                "airbench94",
                "--recipe",
                "airbench94",
                *few,
                "--epochs",
                "2",
                "--batch-size",
                "200",
            ),
        ),
        "cifar10-head-first": ("finetune", *lite, "--mode", "head-first"),
    }


def result(tree: Path, folder: Path, *, words: tuple[str, ...]) -> dict[str, Any]:
    """What a command answered, with digests of the logits and features that it left."""
    make_images(folder / "images")
    words = tuple(run_of(folder, word.removeprefix("RUN:")) if word.startswith("RUN:") else word for word in words)
    done = subprocess.run(
        [tree / ".venv/bin/pipeline", *words, "--json", "--workspace", folder / "workspace"],
        env={**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout) if done.stdout.startswith("{") else {"error": done.stderr[-400:]}
    kept = {name: answer[name] for name in KEPT if answer.get(name) is not None}
    if done.returncode == 0 and words[0] == "export":
        kept["graph"] = digest(Path(words[-1]).read_bytes())
    if run := answer.get("run"):
        (folder / f"{'-'.join(words[:1])}-{digest(' '.join(words).encode())}").write_text(run)
        kept["logits"] = digest(load_file(folder / "workspace/runs" / run / "test.safetensors")["logits"].tobytes())
    elif str(answer.get("path", "")).endswith(".h5"):
        with h5py.File(answer["path"]) as file:
            kept["features"] = {split: digest(file[split]["features"][...].tobytes()) for split in ("train", "test")}
    return json.loads(json.dumps(kept).replace(str(folder), ""))


def run_of(folder: Path, name: str) -> str:
    """The run that the command of that name left."""
    words = commands(folder)[name]
    return (folder / f"{words[0]}-{digest(' '.join(words).encode())}").read_text()


def make_images(folder: Path) -> None:
    """A few images to predict."""
    if folder.exists():
        return
    import numpy as np
    from PIL import Image

    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def digest(data: bytes) -> str:
    """The start of its sha256."""
    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    main()
