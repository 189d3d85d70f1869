"""Heads by name: the one entry that the pipelines call."""

import dataclasses
import importlib
from collections.abc import Mapping

import torch
from numpy.typing import ArrayLike

from extract.errors import InvalidInputError, unknown
from heads.base import Head
from heads.checks import Features
from heads.protocol import Choice, choose, refit
from heads.space import Primitive, Progress, Space

# kind -> (module, space, head); modules are imported when they are first asked for.
REGISTRY = {
    "logistic": ("logistic.logistic", "LogisticSpace", "LogisticHead"),
    "linear": ("neural.space", "LinearSpace", "NeuralHead"),
    "mlp": ("neural.space", "MlpSpace", "NeuralHead"),
    "knn": ("knn", "NeighborSpace", "NeighborHead"),
    "ridge": ("kernel.ridge", "RidgeSpace", "RidgeHead"),
    "kernel": ("kernel.kernel", "KernelSpace", "KernelHead"),
    "centroid": ("centroid", "CentroidSpace", "CentroidHead"),
}


def available() -> tuple[str, ...]:
    """The names of the kinds of head."""
    return tuple(REGISTRY)


def head_class(kind: str) -> type[Head]:
    """The class of heads of `kind`; InvalidInputError with the nearest names for an unknown one."""
    return getattr(_module(kind), REGISTRY[kind][2])


def space(kind: str, options: Mapping[str, Primitive | list] | None = None) -> Space:
    """The search space of `kind` with `options` (a field's name -> its value; lists become tuples).

    Raises InvalidInputError for an unknown kind or option, with the nearest names, and for values out of range.
    """
    space_class = getattr(_module(kind), REGISTRY[kind][1])
    known = [field.name for field in dataclasses.fields(space_class)]
    for name in options or {}:
        if name not in known:
            raise unknown(f"option of the {kind} head", name=name, known=known)
    return space_class(**{name: _frozen(value) for name, value in (options or {}).items()})


def drawn(kind: str) -> tuple[str, ...]:
    """What the seed draws of a fit of `kind`, beside the validation rows; nothing for a head with one solution."""
    return getattr(_module(kind), REGISTRY[kind][1]).drawn


def fit_head(
    kind: str,
    options: Mapping[str, Primitive | list] | None = None,
    *,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    validation: float | int | None = 0.1,
    criterion: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[Head, Choice]:
    """(the head of `kind` chosen on validation rows and refitted on all of them, the `Choice`).

    features [N, D] or [V, N, D] and labels [N] are the training split; test data have no way in. See
    `heads.protocol.choose` for `validation`, `criterion` and views, and the kind's space for its options.
    """
    tried = space(kind, options)
    choice = choose(
        tried,
        features,
        labels,
        validation=validation,
        criterion=criterion,
        seed=seed,
        device=device,
        progress=progress,
    )
    return refit(tried, choice, features, labels, device=device, progress=progress)


def _module(kind: str):
    if kind not in REGISTRY:
        raise unknown("head", name=str(kind), known=REGISTRY)
    return importlib.import_module(f"heads.{REGISTRY[kind][0]}")


def _frozen(value: Primitive | list) -> Primitive:
    if isinstance(value, list | tuple):
        return tuple(_frozen(entry) for entry in value)
    if value is not None and not isinstance(value, str | int | float | bool):
        raise InvalidInputError(f"options must be numbers, strings and lists of them; got {value!r}. Convert it.")
    return value
