"""Heads by name: their spaces, options and classes. Imports no torch, nor any head before it is asked for."""

import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

from extract.errors import unknown
from extract.runtime.options import Option, known, options_of
from heads.space import Space
from heads.trials import OptionValue

if TYPE_CHECKING:
    from heads.base import Head

# kind -> its space, which names the class of its heads.
REGISTRY = {
    "logistic": "heads.logistic.space:LogisticSpace",
    "linear": "heads.neural.space:LinearSpace",
    "mlp": "heads.neural.space:MlpSpace",
    "knn": "heads.nearest.space:NeighborSpace",
    "ridge": "heads.kernel.space:RidgeSpace",
    "kernel": "heads.kernel.space:KernelSpace",
    "centroid": "heads.nearest.space:CentroidSpace",
}


def kinds() -> tuple[str, ...]:
    """The names of the kinds of head."""
    return tuple(REGISTRY)


def space_class(kind: str) -> type[Space]:
    """The class of the search space of `kind`; InvalidInputError with the nearest names for an unknown one."""
    if kind not in REGISTRY:
        raise unknown("head", name=str(kind), known=REGISTRY)
    return pkgutil.resolve_name(REGISTRY[kind])


def is_own_neighbor(kind: str | None) -> bool:
    """Whether `kind` is a head whose training rows are their own nearest neighbors; not for a kind that is gone."""
    return kind in REGISTRY and space_class(kind).is_own_neighbor


def head_class(kind: str) -> "type[Head]":
    """The class of heads of `kind`; InvalidInputError with the nearest names for an unknown one."""
    return space_class(kind).head_class()


def options(kind: str) -> Mapping[str, Option]:
    """The options of `kind` by name, as the fields of its space declare them."""
    return options_of(space_class(kind))


def space(kind: str, given: Mapping[str, OptionValue] | None = None) -> Space:
    """The search space of `kind` with the options `given`: values, or texts as on a command line.

    Raises InvalidInputError for an unknown kind or option, with the nearest names, and for values out of range.
    """
    declared = options(kind)
    for name in given or {}:
        known(name, declared, what=f"option of the {kind} head")
    return space_class(kind)(**{name: declared[name].read(value) for name, value in (given or {}).items()})
