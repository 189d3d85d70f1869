"""Whether a value read from a file has the shape that a type declares: the one check of what lies on disk.

Shapes are ordinary type hints: `TypedDict` for objects (further keys are allowed), `dict[str, X]`, `list[X]`,
`tuple[X, Y]` for a list of just those, `X | None`, `Literal`, `Any`, and `Annotated[X, Between(...)]` or
`Annotated[str, Matching(...)]`. A whole number passes for a `float`; True and False are no numbers.
"""

import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union

LARGEST = 2**63 - 1
KINDS: dict[Any, str] = {str: "a text", int: "a whole number", float: "a finite number", bool: "true or false"}


@dataclass(frozen=True)
class Between:
    """A number in this closed interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"from {self.low:g} to {self.high:g}"

    def holds(self, value: Any) -> bool:
        """Whether the number lies there."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Matching:
    """A text that fits the regular expression from end to end."""

    pattern: str

    def __str__(self) -> str:
        return f"a text like {self.pattern}"

    def holds(self, value: Any) -> bool:
        """Whether the text fits."""
        return re.fullmatch(self.pattern, value) is not None


Count = Annotated[int, Between(0, LARGEST)]
Share = Annotated[float, Between(0, 1)]
Seconds = Annotated[float, Between(0, 1e12)]
Sha256 = Annotated[str, Matching("[0-9a-f]{64}")]


def wrong(value: Any, shape: Any, *, name: str = "") -> str:
    """What in `value` is not as `shape` says, in words ("it lacks run"); empty where all is.

    `name` is where in the file the value stands, as "test.interval".
    """
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if shape is Any:
        return ""
    if origin is Annotated:
        return wrong(value, arguments[0], name=name) or _outside(value, arguments[1:], name)
    if origin in (Union, types.UnionType):
        return _wrong_in_union(value, arguments, name)
    if origin is Literal:
        known = any(type(value) is type(one) and value == one for one in arguments)
        return "" if known else _sentence(name, value, f"one of {', '.join(map(str, arguments))}")
    if typing.is_typeddict(shape):
        return _wrong_object(value, shape, name)
    if origin is dict:
        return _wrong_mapping(value, arguments, name)
    if origin is tuple:
        return _wrong_tuple(value, arguments, name)
    if origin is list:
        return _wrong_list(value, arguments[0], name)
    return "" if _is_plain(value, shape) else _sentence(name, value, KINDS.get(shape, "nothing else"))


def _wrong_in_union(value: Any, options: tuple[Any, ...], name: str) -> str:
    faults = [wrong(value, option, name=name) for option in options if option is not type(None)]
    if "" in faults or (value is None and type(None) in options):
        return ""
    return faults[0]


def _wrong_object(value: Any, shape: Any, name: str) -> str:
    if not isinstance(value, dict):
        return _sentence(name, value, "an object")
    missing = sorted(shape.__required_keys__ - value.keys())
    if missing:
        return f"it lacks {_inside(name, missing[0])}"
    inner = _hints(shape)
    return _first(wrong(value[key], hint, name=_inside(name, key)) for key, hint in inner.items() if key in value)


def _wrong_mapping(value: Any, shapes: tuple[Any, ...], name: str) -> str:
    if not isinstance(value, dict):
        return _sentence(name, value, "an object")
    keys = _wrong_list(list(value), shapes[0], f"the names in {name}" if name else "its names")
    return keys or _first(wrong(one, shapes[1], name=_inside(name, key)) for key, one in value.items())


def _wrong_tuple(value: Any, shapes: tuple[Any, ...], name: str) -> str:
    if not isinstance(value, list) or len(value) != len(shapes):
        return _sentence(name, value, f"a list of {len(shapes)}")
    return _first(wrong(one, shape, name=name) for one, shape in zip(value, shapes, strict=True))


def _wrong_list(value: Any, shape: Any, name: str) -> str:
    if not isinstance(value, list):
        return _sentence(name, value, "a list")
    if shape is Count and set(map(type, value)) <= {int} and (not value or 0 <= min(value) <= max(value) <= LARGEST):
        return ""  # a confusion matrix of 1,000 classes has a million of them
    return _first(wrong(one, shape, name=name) for one in value)


def _outside(value: Any, rules: tuple[Any, ...], name: str) -> str:
    return _first("" if rule.holds(value) else _sentence(name, value, str(rule)) for rule in rules)


def _is_plain(value: Any, shape: Any) -> bool:
    if shape is type(None):
        return value is None
    if shape is float:  # with room for arithmetic; a whole number may be too long for a float
        return type(value) in (int, float) and abs(value) < 1e300
    if shape is int:
        return type(value) is int and abs(value) <= LARGEST
    return isinstance(value, shape)


@cache
def _hints(shape: Any) -> dict[str, Any]:
    """The types of an object's keys."""
    return {key: _bare(hint) for key, hint in typing.get_type_hints(shape, include_extras=True).items()}


def _bare(hint: Any) -> Any:
    required = typing.get_origin(hint) in (typing.Required, typing.NotRequired)
    return typing.get_args(hint)[0] if required else hint


def _inside(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _sentence(name: str, value: Any, expected: str) -> str:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"its {name} is {shown}, not {expected}" if name else f"it is {shown}, not {expected}"


def _first(faults: Iterable[str]) -> str:
    return next((fault for fault in faults if fault), "")
