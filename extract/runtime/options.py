"""Options: default, type, range, choices and help of one option, declared once, on a dataclass field.

    @dataclass(frozen=True)
    class Recipe:
        epochs: int = option(200, "Passes over the training images.", low=1)
        optimizer: str = option("sgd", "Optimizer.", choices=("sgd", "adamw"))
        patience: int | None = option(None, "Epochs without a better one after which to stop.", low=1)

        def __post_init__(self) -> None:
            check(self)

Commands, study files, search spaces and the tables of the documentation are generated from `options_of`. A field whose
type is a tuple holds several values: as text they stand with commas between. Imports no torch.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInputError, unknown

TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NOTHING = ("", "~", "null", "none")
KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Option:
    """One option as its field declares it. `kinds` are the types of one value, None aside; bounds are inclusive
    (`low`, `high`) or not (`above`, `below`). `choices` are the texts that it may be, empty for any; `metavar` is how
    help shows its value; `group` is the heading under which help lists it."""

    name: str
    default: Any
    help: str
    kinds: tuple[type, ...]
    optional: bool
    several: bool
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    metavar: str = ""
    group: str = ""
    flags: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The option on a command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def expected(self) -> str:
        """What one value must be, in words."""
        said = " or ".join(KINDS[kind] for kind in self.kinds)
        bounds = (("from", self.low), ("above", self.above), ("up to", self.high), ("below", self.below))
        return " ".join([said, *(f"{word} {bound:g}" for word, bound in bounds if math.isfinite(bound))])

    def read(self, text: str) -> Any:
        """The value that `text` stands for, as the field holds it; `InvalidInputError` where it is none."""
        if self.several:
            return tuple(self._one(part.strip()) for part in text.split(",") if part.strip())
        return self._one(text.strip())

    def _one(self, text: str) -> Any:
        if self.optional and text.lower() in NOTHING:
            return None
        for kind in (kind for kind in (int, float, bool, str) if kind in self.kinds):
            try:
                return TRUTHS[text.lower()] if kind is bool else kind(text)
            except (ValueError, KeyError):
                continue
        raise self.refused(text)

    def check(self, value: Any) -> None:
        """Raises `InvalidInputError` unless `value` is one that the field may hold."""
        if self.several and isinstance(value, tuple | list):
            for one in value:
                self._check_one(one)
        else:
            self._check_one(value)

    def _check_one(self, value: Any) -> None:
        if value is None and self.optional:
            return
        if self.choices and value not in self.choices:
            raise unknown(self.name.replace("_", "-"), name=str(value), known=self.choices)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = type(value) in self.kinds or (number and float in self.kinds)
        if not fits or (number and not self._holds(float(value))):
            raise self.refused(value)

    def _holds(self, value: float) -> bool:
        return math.isfinite(value) and self.low <= value <= self.high and self.above < value < self.below

    def refused(self, value: Any) -> InvalidInputError:
        """The error that says what the option must be."""
        return InvalidInputError(f"{self.name.replace('_', '-')} must be {self.expected}; got {value!r}.")


def option(default: Any, help: str, **declared: Any) -> Any:
    """A dataclass field with a default and its help; `declared` are further fields of `Option`."""
    return dataclasses.field(default=default, metadata={"help": help, **declared})


@functools.cache
def options_of(source: type) -> Mapping[str, Option]:
    """The options that a dataclass declares, by name, in the order of its fields."""
    hints = typing.get_type_hints(source)
    return {
        field.name: _option(field, hints[field.name])
        for field in dataclasses.fields(source)
        if "help" in field.metadata
    }


def check(instance: Any) -> None:
    """Raises `InvalidInputError` for the first option of a dataclass that is none of its type, range or choices."""
    for name, declared in options_of(type(instance)).items():
        declared.check(getattr(instance, name))


def _option(field: "dataclasses.Field[Any]", hint: Any) -> Option:
    kinds = _kinds(hint)
    return Option(
        name=field.name,
        default=field.default,
        kinds=tuple(kind for kind in kinds if kind is not types.NoneType),
        optional=types.NoneType in kinds,
        several=any(typing.get_origin(part) is tuple for part in (hint, *typing.get_args(hint))),
        **field.metadata,
    )


def _kinds(hint: Any) -> tuple[type, ...]:
    """The plain types in a hint: of `tuple[float, ...] | None` float and NoneType."""
    parts = [part for part in typing.get_args(hint) if part is not Ellipsis]
    return tuple(dict.fromkeys(kind for part in parts for kind in _kinds(part))) if parts else (hint,)
