"""Specs: what a user asks for, option by option, read and checked as the fields declare it. Imports no torch."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from extract.errors import InvalidInputError
from extract.runtime.options import Option, known, option, options_of

seed_option = functools.partial(option, 0, "Seed of everything drawn.", low=0, high=2**32 - 1, metavar="N")
validation_option = functools.partial(
    option,
    help="Validation split: a share of the training images, a number of them, or none.",
    metavar="SHARE|N|none",
    group="Data",
)


@dataclass(frozen=True)
class Spec:
    """A frozen dataclass whose fields are options; those beside its fields stand in its mapping `options`.

    Fields may be given as text. Raises `InvalidInputError` for a value that can never be right.
    """

    def __post_init__(self) -> None:
        for name, declared in options_of(type(self)).items():
            object.__setattr__(self, name, declared.read(getattr(self, name)))

    @classmethod
    def further(cls) -> Mapping[str, Option]:
        """The options that stand in `options`."""
        return {}

    @classmethod
    def declared(cls) -> Mapping[str, Option]:
        """Every option by name, as a command line and a study know it."""
        return {**cls.further(), **options_of(cls)}

    @classmethod
    def of(cls, given: Mapping[str, Any] | None = None, **more: Any) -> Self:
        """The spec of options by name, as text or as values; None leaves one out.

        Raises `InvalidInputError`, for an option that there is not with the nearest names.
        """
        declared, own = cls.declared(), options_of(cls)
        present = {name: value for name, value in {**(given or {}), **more}.items() if value is not None}
        for name in present:
            known(name, declared)
        further = {name: declared[name].read(value) for name, value in present.items() if name not in own}
        fields = {name: value for name, value in present.items() if name in own}
        return cls(**fields, **({"options": further} if further else {}))

    def part(self, part: type) -> dict[str, Any]:
        """The options that the spec has of a class that it inherits from, by name."""
        return {name: getattr(self, name) for name in options_of(part)}

    def as_dict(self) -> dict[str, Any]:
        """Every field and every further option that was given, by name, as `of` takes them."""
        further = getattr(self, "options", {})
        own = {name: getattr(self, name) for name in options_of(type(self))}
        return {**own, **(further if isinstance(further, Mapping) else {})}


def validation_part(given: object) -> float | int | None:
    """A validation split: a share, a count, or None for "none"."""
    if given == "none":
        return None
    if not isinstance(given, int | float) or not (given >= 1 if isinstance(given, int) else 0 < given < 1):
        raise InvalidInputError(f"validation must be a share like 0.1, a number of images, or none; got {given!r}.")
    return given
