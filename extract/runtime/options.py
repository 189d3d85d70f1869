"""Options: default, type, range, choices and help of one option, declared once, on a dataclass field.

    @dataclass(frozen=True)
    class Recipe:
        epochs: int = option(200, "Passes over the training images.", low=1)
        optimizer: str = option("sgd", "Optimizer.", choices=("sgd", "adamw"))
        patience: int | None = option(None, "Epochs without a better one after which to stop.", low=1)

        def __post_init__(self) -> None:
            check(self)

Commands, study files, search spaces and the tables of the documentation are generated from `options_of`. A field whose
type is a tuple holds several values: as text they stand with commas between, and where one of them may be a tuple
itself, with x between its parts ("256,512x128"). Imports no torch.
"""

import dataclasses
import functools
import math
import numbers
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInputError, unknown

Value = bool | int | float | str | None | tuple["Value", ...]
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NOTHING = ("", "~", "null", "none")
KINDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "a mapping",
}


@dataclass(frozen=True)
class Option:
    """One option as its field declares it.

    `kinds` are the types of one value, which may be None too if `optional`; bounds are inclusive (`low`, `high`) or not
    (`above`, `below`). `choices` are the texts that it may be, empty for any. `metavar` is how help shows its value,
    `default_text` how it shows a default that depends on others, `group` the heading under which help lists it, `flags`
    its spellings on a command line where these are not the field's name alone, `envvar` the variable that stands for it
    there; one that is `rare` has no flag. `separator` stands in a text between several values, nothing where a text is
    one of them. `search` is its entry in a built-in search space (see `pipelines.search.space`), None where it is
    searched only when asked for.
    """

    name: str
    default: Any
    help: str
    kinds: tuple[type, ...]
    optional: bool
    several: bool
    nested: bool
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    metavar: str = ""
    default_text: str = ""
    group: str = ""
    flags: tuple[str, ...] = ()
    envvar: str = ""
    separator: str = ","
    rare: bool = False
    search: Any = None

    @property
    def words(self) -> str:
        """The option as a command line writes it, without dashes before it."""
        return words(self.name)

    @property
    def expected(self) -> str:
        """Expected value in words: "a number from 0 to below 1"."""
        said = " ".join(filter(None, [" or ".join(KINDS[kind] for kind in self.kinds), self.range]))
        is_named = self.optional and str not in self.kinds and not self.default_text  # else it stands for that default
        return f"{said}, or none" if is_named else said

    @property
    def range(self) -> str:
        """The bounds in words; nothing where there are none."""
        low = f"above {self.above:g}" if math.isfinite(self.above) else f"from {self.low:.10g}"
        low = low if math.isfinite(max(self.low, self.above)) else ""
        high = f"below {self.below:g}" if math.isfinite(self.below) else f"{self.high:.10g}"
        high = f"to {high}" if math.isfinite(min(self.high, self.below)) else ""
        return f"{low} {high}".strip()

    def read(self, raw: object) -> Any:
        """Parse `raw`, a text or a value, as the field holds it; `InvalidInputError` where it is no such value.

        An array stands for its numbers, as a grid of options often is one.
        """
        raw = getattr(raw, "tolist", lambda: raw)()
        if not self.several:
            value = self._one(raw)
        elif raw is None and self.default is None:
            return None
        else:
            parts = raw.split(self.separator) if isinstance(raw, str) and self.separator else raw
            parts = parts if isinstance(parts, list | tuple) else [parts]
            value = tuple(self._part(part, raw) for part in parts if part != "")
        self.check(value)
        return value

    def _part(self, part: object, raw: object) -> Value:
        if not self.nested or not isinstance(part, str | list | tuple):
            return self._one(part, raw)
        inner = tuple(self._one(one, raw) for one in (part.split("x") if isinstance(part, str) else part))
        return inner[0] if len(inner) == 1 else inner

    def _one(self, part: object, raw: object = None) -> Value:
        if isinstance(part, int) and not isinstance(part, bool) and float in self.kinds and int not in self.kinds:
            return float(part)
        if not isinstance(part, str) or self.kinds == (str,):
            return part  # type: ignore[return-value]  # `check` says what it must be
        text = part.strip()
        if self.optional and str not in self.kinds and text.lower() in NOTHING:
            return None
        for kind in (kind for kind in KINDS if kind in self.kinds):
            try:
                return TRUTHS[text.lower()] if kind is bool else kind(text)
            except (ValueError, KeyError):
                continue
        raise self.refused(part if raw is None else raw)

    def check(self, value: object) -> None:
        """Raises `InvalidInputError` unless `value` is one that the field may hold."""
        several = self.several and isinstance(value, tuple | list)
        if self.several and value is None and self.default is None:
            return
        if several and not value and self.default != ():
            raise InvalidInputError(f"{self.words} must be at least one value; got none. Add one.")
        for one in value if several else (value,):  # type: ignore[union-attr]
            for part in one if self.nested and isinstance(one, tuple | list) else (one,):
                self._check_one(part)

    def _check_one(self, value: object) -> None:
        if value is None and self.optional:
            return
        if self.choices and value not in self.choices:
            raise unknown(self.words, name=str(value), known=self.choices)
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)  # NumPy's among them
        whole = number and isinstance(value, numbers.Integral)
        if not (type(value) in self.kinds or (number and float in self.kinds) or (whole and int in self.kinds)):
            raise self.refused(value)
        if number and not self._holds(float(value)):  # type: ignore[arg-type]
            raise self.refused(value)

    def _holds(self, value: float) -> bool:
        return math.isfinite(value) and self.low <= value <= self.high and self.above < value < self.below

    def refused(self, value: object) -> InvalidInputError:
        """The error that says what the option must be."""
        several = ", or several with commas between" if self.several else ""
        return InvalidInputError(f"{self.words} must be {self.expected}{several}; got {value!r}.")


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


def check(instance: object) -> None:
    """Raises `InvalidInputError` for the first option of a dataclass that is none of its type, range or choices."""
    for name, declared in options_of(type(instance)).items():
        declared.check(getattr(instance, name))


def known(name: str, declared: Collection[str], *, what: str = "option") -> None:
    """Raises `InvalidInputError` with the nearest names unless `name` is among the options `declared`."""
    if name not in declared:
        raise unknown(what, name=words(name), known=map(words, declared))


def words(name: str) -> str:
    """An option as command lines and files write it, without dashes before it: `c_grid` is c-grid."""
    return name.replace("_", "-")


def _option(field: "dataclasses.Field[Any]", hint: Any) -> Option:
    kinds = _kinds(hint)
    tuples = [part for part in (hint, *typing.get_args(hint)) if typing.get_origin(part) is tuple]
    inner = [part for one in tuples for part in typing.get_args(one)]
    parts = [kind for part in inner for kind in _kinds(part)] if tuples else kinds
    return Option(
        name=field.name,
        default=field.default,
        kinds=tuple(kind for kind in kinds if kind is not types.NoneType),
        optional=types.NoneType in parts,
        several=bool(tuples),
        nested=any(typing.get_origin(one) is tuple for part in inner for one in (part, *typing.get_args(part))),
        **field.metadata,
    )


def _kinds(hint: Any) -> tuple[type, ...]:
    """The plain types in a hint: of `tuple[float, ...] | None` float and NoneType."""
    parts = [part for part in typing.get_args(hint) if part is not Ellipsis]
    return tuple(dict.fromkeys(kind for part in parts for kind in _kinds(part))) if parts else (hint,)
