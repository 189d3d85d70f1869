"""Heads: every way to read a frozen feature, chosen honestly and fast.

`fit_head(kind, options, features=..., labels=...)` chooses on validation rows and refits; `scores` measures
logits; `save` and `load` keep a head. Names are imported when they are first used, so `import heads` is cheap.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heads.base import Head
    from heads.logistic.head import LogisticHead
    from heads.logistic.space import LogisticSpace
    from heads.metrics import Comparison, Scores, compare, fit_temperature, scores
    from heads.persist import load, save
    from heads.protocol import Choice, choose, fit_head, refit
    from heads.registry import head_class, kinds, space_class
    from heads.rows import training_sample, validation_split
    from heads.shots import Draw, few_labels
    from heads.statistics import spread

_MODULES = {
    "Head": "base",
    "head_class": "registry",
    "kinds": "registry",
    "space_class": "registry",
    "LogisticHead": "logistic.head",
    "LogisticSpace": "logistic.space",
    "Comparison": "metrics",
    "Scores": "metrics",
    "compare": "metrics",
    "fit_temperature": "metrics",
    "scores": "metrics",
    "spread": "statistics",
    "load": "persist",
    "save": "persist",
    "Choice": "protocol",
    "fit_head": "protocol",
    "choose": "protocol",
    "validation_split": "rows",
    "refit": "protocol",
    "Draw": "shots",
    "few_labels": "shots",
    "training_sample": "rows",
}

__all__ = [
    "Choice",
    "Comparison",
    "Draw",
    "Head",
    "LogisticHead",
    "LogisticSpace",
    "Scores",
    "choose",
    "compare",
    "few_labels",
    "fit_head",
    "fit_temperature",
    "head_class",
    "kinds",
    "load",
    "refit",
    "save",
    "scores",
    "space_class",
    "spread",
    "training_sample",
    "validation_split",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(importlib.import_module(f"heads.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'heads' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
