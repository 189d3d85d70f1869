"""Grids of small networks for the tests of this folder."""

from heads.neural.grid import Validation, train_grid
from heads.neural.space import HeadRecipe, Member

BASE = {
    "optimizer": "adamw",
    "momentum": 0.9,
    "schedule": "cosine",
    "warmup": 0.0,
    "epochs": 6,
    "batch_size": 64,
    "dropout": 0.0,
    "label_smoothing": 0.0,
}


MEMBERS = [Member((), 1e-3, 0.0), Member((), 3e-2, 0.1), Member((), 1e-2, 1.0)]


DEEP = [Member((16,), 1e-3, 0.0), Member((16,), 3e-2, 0.1), Member((8, 6), 1e-2, 1.0)]


def grid(parts, members, *, seed=0, held=True, patience=None, criterion="log_loss", **changes):
    """`train_grid` of a recipe with `changes`."""
    recipe = HeadRecipe(**{**BASE, **changes})
    return train_grid(
        parts[0],
        validation=Validation(parts[1], criterion=criterion, patience=patience) if held else None,
        members=members,
        recipe=recipe,
        n_classes=4,
        stop_epoch=recipe.epochs,
        seed=seed,
    )
