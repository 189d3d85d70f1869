"""Workspaces of records that were made by hand: no run behind them, the schema of real ones."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from extract.data import digits
from extract.runtime.disk import file_sha256
from heads.metrics import scores
from pipelines.workspace import records, stored

TEST = digits.load().splits["test"]  # 360 images of ten classes, which are always at hand
LABELS, IDS = TEST.labels, TEST.ids
CLASSES = [str(digit) for digit in range(10)]
Made = dict[str, Any]


def run_name(text: str) -> str:
    """A name as runs have it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def logits(accuracy: float, *, seed: int, sharpness: float = 4.0) -> np.ndarray:
    """Logits float32 [360, 10] that are right about `accuracy` of the time, the more confident the sharper."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(len(LABELS)) < accuracy, LABELS, (LABELS + rng.integers(1, 10, len(LABELS))) % 10)
    table = rng.normal(size=(len(LABELS), 10))
    table[np.arange(len(LABELS)), said] += sharpness * (0.4 + rng.random(len(LABELS)))
    return table.astype(np.float32)


def curves(epochs: int, *, gap: float, rise: float = 0.0) -> dict[str, list[float]]:
    """Curves that learn; validation trails by `gap`, and its loss turns up by `rise` after half of the epochs."""
    steps = np.arange(1, epochs + 1) / epochs
    learned = 1 - np.exp(-4 * steps)
    turned = rise * np.clip(steps - 0.5, 0, None)
    return {
        "training_accuracy": (0.1 + 0.88 * learned).tolist(),
        "validation_accuracy": (0.1 + (0.88 - gap) * learned).tolist(),
        "training_loss": (2.3 - 2.2 * learned).tolist(),
        "validation_loss": (2.3 - (2.2 - 3 * gap) * learned + turned).tolist(),
        "learning_rate": (0.1 * (1 - steps)).tolist(),
    }


def network(label: str, mode: str, *, accuracy: float, **changes: Any) -> tuple[Made, np.ndarray]:
    """(record, logits) of a network; `changes` replace parts of the record."""
    seed = changes.get("seed", 0)
    table = logits(accuracy, seed=seed + len(label))
    record = {
        **_common(label, table, seed=seed),
        "kind": "network",
        "mode": mode,
        "architecture": label.split()[0],
        "family": "resnet",
        "weights": "none" if mode == "scratch" else "pretrained",
        "head": None,
        "key": {"network": label, "mode": mode, "seed": seed, "recipe": "short"},
        "choice": {
            "training_rows": 1293,
            "validation_rows": 144,
            "refitted": False,
            "drawn": ["initial weights"],
            "kept_epoch": 20,
            "kept_by": "last",
        },
        "curves": curves(20, gap=0.08, rise=1.5 if mode == "scratch" else 0.0),
        "seconds": {"extraction": 0.0, "search": 0.0, "fit": 812.4, "evaluation": 2.1},
        "parameters": 272_474,
        "flops": 81_620_000,
        "bytes": 1_089_896,
    }
    return {**record, **changes}, table


def head(kind: str, backbone: str, *, accuracy: float, **changes: Any) -> tuple[Made, np.ndarray]:
    """(record, logits) of a head on frozen features; `changes` replace parts of the record."""
    seed = changes.get("seed", 0)
    table = logits(accuracy, seed=seed + len(kind + backbone))
    record = {
        **_common(f"{kind} on {backbone}", table, seed=seed),
        "kind": "head",
        "mode": "frozen",
        "architecture": backbone,
        "family": None,
        "weights": "packaged",
        "head": kind,
        "key": {"head": kind, "features": run_name(backbone) * 5, "seed": seed},
        "curves": {},
        "seconds": {"extraction": 41.0, "search": 3.2, "fit": 0.9, "evaluation": 0.1},
        "parameters": 3_386_760,
        "flops": 810_000_000,
        "bytes": 13_600_000,
    }
    return {**record, **changes}, table


def put(workspace: Path, made: tuple[Made, np.ndarray]) -> str:
    """Writes a record and its logits into the workspace, through the schema of records; returns the run's name."""
    record, table = made
    folder = records.folder(workspace, record["run"])
    folder.mkdir(parents=True, exist_ok=True)
    records.keep_logits(folder / records.LOGITS_NAME, table, labels=LABELS, ids=IDS)
    files = {records.LOGITS_NAME: file_sha256(folder / records.LOGITS_NAME)}
    records.write(workspace, {**record, "files": files})
    return record["run"]


def _common(name: str, table: np.ndarray, *, seed: int) -> Made:
    test = scores(table, LABELS).as_dict()
    return {
        "run": run_name(f"{name} {seed}"),
        "name": name,
        "created": f"2026-11-24T06:00:{seed % 60:02d}.000+00:00",
        "dataset": {
            "name": "digits", "digest": digits.fingerprint(), "subset": None, "test_subset": None, "seed": None,
            "test_images": records.images_digest(digits.fingerprint(), IDS),
        },
        "image_size": 32,
        "seed": seed,
        "class_names": CLASSES,
        "chosen": {"learning_rate": 0.1},
        "choice": {"training_rows": 1293, "validation_rows": 144, "refitted": False, "drawn": ["initial weights"]},
        "training": {"rows": 323, "accuracy": 0.98, "kept_accuracy": 0.98},
        "validation": test,
        "test": test,
        "temperature": 1.1,
        "test_scaled": scores(table, LABELS, temperature=1.1).calibration(),
        "images_per_second": 900.0,
        "peak_memory_bytes": 900_000_000,
        "hardware": {"processor": "a processor", "core_count": 2},
        "versions": {"torch": "2.9.0", "numpy": "2.0.0"},
    }  # fmt: skip


def fill(workspace: Path) -> Path:
    """The workspace, now with all three modes, three seeds of one of them, a failed run and a search."""
    for seed in range(3):
        put(workspace, network("resnet20 from scratch (short)", "scratch", accuracy=0.9, seed=seed))
    put(
        workspace,
        network("resnet18 fine-tuned", "finetuned", accuracy=0.96, parameters=11_181_642, flops=(1.1e9).__int__()),
    )
    put(workspace, head("logistic", "tf_efficientnet_lite0", accuracy=0.93))
    put(workspace, head("mlp", "tf_efficientnet_lite0", accuracy=0.94, parameters=3_900_000))
    put(
        workspace,
        head("logistic", "resnet50", accuracy=0.95, parameters=23_528_522, flops=8_200_000_000, bytes=94_000_000),
    )
    records.failed(
        workspace, run=run_name("broken"), kind="network", name="vgg19 from scratch", key={}, error="out of memory"
    )
    search(workspace, "heads")
    return workspace


@pytest.fixture
def tour(workspace: Path) -> Path:
    """A workspace that `fill` filled."""
    return fill(workspace)


@pytest.fixture
def cifar100_dir(fake_cifar: Callable[..., Path]) -> Path:
    """A directory with noise in the layout of CIFAR-100: 100 classes, four training images and one test image each."""
    names = ["constructor", "__proto__", *(f"class {index}" for index in range(2, 100))]
    return fake_cifar("cifar100", names, train=4, test=1)


def search(workspace: Path, name: str) -> None:
    """Writes the result of a search with twelve trials."""
    rng = np.random.default_rng(0)
    trials = [
        {
            "number": number,
            "state": "pruned" if number % 4 == 3 else "failed" if number == 6 else "complete",
            "params": {
                "learning-rate": float(10 ** rng.uniform(-4, -1)),
                "optimizer": ["sgd", "adamw", "lion"][number % 3],
                "batch-size": int(2 ** rng.integers(4, 9)),
                "weight-decay": float(10 ** rng.uniform(-6, -2)),
            },
            "value": None if number == 6 else float(0.7 + 0.25 * rng.random()),
            "seconds": 12.5,
            "step_values": [],
            "error": None,
        }
        for number in range(12)
    ]
    found = {
        "name": name,
        "subject": "heads",
        "space": {
            "learning-rate": {"low": 1e-05, "high": 1.0, "log": True},
            "dropout": {"low": 0.0, "high": 0.5, "log": False},
            "optimizer": ["sgd", "adamw"],
            "batch-size": [64],
        },
        "trials": trials,
        "importance": {"learning-rate": 0.7, "optimizer": 0.2, "batch-size": 0.06, "weight-decay": 0.04},
        "importance_spread": {
            "learning-rate": [0.5, 0.8],
            "optimizer": [0.1, 0.3],
            "batch-size": [0.0, 0.2],
            "weight-decay": [0.0, 0.1],
        },
        "importance_note": "fANOVA over 30 complete trials; 2 pruned, left out",
        "logarithmic": ["learning-rate", "weight-decay"],
        "best": {"number": 1, "params": trials[1]["params"], "value": trials[1]["value"]},
        "best_run": None,
        "seconds": 150.0,
    }
    folder = workspace / "searches" / name
    folder.mkdir(parents=True)
    stored.write(folder / "result.json", found)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The functions above, for tests, which cannot import this file."""
    return SimpleNamespace(
        labels=LABELS, put=put, head=head, network=network, search=search, run_name=run_name, curves=curves, fill=fill
    )
