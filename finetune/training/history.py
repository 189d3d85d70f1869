"""History of a training, one row per epoch: best epoch, early stopping."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from extract.runtime.disk import make_folder, write_file

NAME = "history.jsonl"
PLATEAU_EPOCHS = 5
PLATEAU_FACTOR = 0.1
CURVES = (
    *("training_loss", "training_accuracy", "running_training_loss", "running_training_accuracy"),
    *("validation_loss", "validation_accuracy", "validation_balanced_accuracy", "validation_macro_f1", "learning_rate"),
)

Row = dict[str, float]
History = list[Row]


def curves(history: Sequence[Row]) -> dict[str, list[float]]:
    """The rows as one list a quantity, as a record holds them."""
    return {name: [row[name] for row in history] for name in CURVES if history and name in history[0]}


def best_epoch(history: Sequence[Row], criterion: str = "accuracy") -> int:
    """The epoch (from 1) that is best on validation images, the lower loss deciding ties; 0 for none.

    It is the one with the highest score by the `criterion`, or for log_loss the least loss.
    """
    scored = [row for row in history if "validation_loss" in row]
    if not scored:
        return 0
    name = f"validation_{criterion}"
    best = max(scored, key=lambda row: (row.get(name, -row["validation_loss"]), -row["validation_loss"], -row["epoch"]))
    return int(best["epoch"])


def is_over(history: Sequence[Row], *, epochs: int, patience: int | None, criterion: str = "accuracy") -> bool:
    """Whether all epochs are done, or `patience` epochs have gone by without a better one on validation images."""
    waited = patience is not None and history and len(history) - best_epoch(history, criterion) >= patience
    return len(history) >= epochs or bool(waited)


def plateau_factor(history: Sequence[Row]) -> float:
    """0.1 for every 5 epochs in a row that brought no lower loss (validation where there is one, else training)."""
    factor, lowest, waited = 1.0, math.inf, 0
    for row in history:
        loss = row.get("validation_loss", row["running_training_loss"])
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == PLATEAU_EPOCHS:
            factor, waited = factor * PLATEAU_FACTOR, 0
    return factor


def write(folder: Path, history: Sequence[Row]) -> None:
    """Makes the file of `folder` hold these rows and no others, as JSON lines."""
    make_folder(folder)
    write_file(folder / NAME, "".join(json.dumps(row) + "\n" for row in history).encode())
