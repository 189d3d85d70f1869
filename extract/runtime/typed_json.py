"""Values that were read as JSON, as the types that declare them: the one check of what lies on disk, by msgspec.

Types are msgspec's: a `Struct` or `TypedDict` for an object (further keys are ignored), `list[X]`, `dict[str, X]`,
`X | None`, `Literal`, and `Annotated[X, Meta(...)]` for ranges and patterns. True and False are no numbers.

An object on disk may hold its own checksum (`checksummed`): one changed digit is seen, and a person can still read the
file.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

LARGEST = 2**63 - 1
WORDS = {
    "int": "a whole number",
    "float": "a finite number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]  # with room for arithmetic
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
T = TypeVar("T")


class ShapeError(ValueError):
    """Mismatch between a value and its declared type, in words: "it lacks run", "its test.rows is -1, not ..."."""


def typed(value: object, kind: type[T], *, name: str = "") -> T:
    """`value` as a `kind`; `ShapeError` where it is none. `name` is where in its file the value stands."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ShapeError(_sentence(str(error), value, name)) from None


def plain(value: object) -> Any:
    """`value`, a `Struct` or anything that holds some, as objects, lists and numbers of JSON."""
    return msgspec.to_builtins(value)


def checksummed(values: Mapping[str, object], name: str, text: Callable[[Any], str]) -> dict[str, object]:
    """`values` with, last, the sha256 of their `text` under `name`."""
    return {**values, name: _sha256(text(values))}


def verified(content: bytes, name: str, text: Callable[[Any], str]) -> dict[str, object]:
    """The object that `checksummed` made, read as JSON, without the checksum; `ShapeError` for a wrong one or none."""
    try:
        values = json.loads(content, parse_constant=_refuse)
    except RecursionError as error:
        raise ShapeError("it is nested too deeply") from error
    except ValueError as error:
        raise ShapeError("it is no JSON") from error
    if not isinstance(values, dict):
        raise ShapeError("it is no JSON object")
    if name not in values:
        raise ShapeError(f"it has no {name}, so it is of an earlier version or foreign")
    if values.pop(name) != _sha256(text(values)):
        raise ShapeError("it is not as it was written (its checksum is another)")
    return values


def encoded(text: str) -> bytes:
    """UTF-8; half a surrogate pair (a file name that is no UTF-8) as the escape by which JSON knows it."""
    return text.encode("utf-8", "backslashreplace")


def _sha256(text: str) -> str:
    return hashlib.sha256(encoded(text)).hexdigest()


def _refuse(name: str) -> None:
    raise ShapeError(f"{name} is no number")


def _sentence(error: str, value: object, name: str) -> str:
    said, _, path = error.partition(" - at ")
    of_names = path.startswith("`key`")
    steps = re.findall(r"[^.\[\]`$]+|\[\d+\]", path.removeprefix("`key` in ").partition("[...]")[0])
    named = [step for step in steps if not step.startswith("[")]
    where = ".".join(filter(None, [name, *named]))
    if (lacking := re.fullmatch(r"Object missing required field `(\w+)`", said)) is not None:
        return f"it lacks {'.'.join(filter(None, [where, lacking[1]]))}"
    if not said.startswith(("Expected", "Invalid")):  # of a type's own check
        return f"{where}: {said}" if where else said
    shown = repr(_at(value, steps))
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    subject = f"a name in its {where}" if of_names else f"its {where}" if where else "it"
    return f"{subject} is {shown}, not {_expected(said)}"


def _at(value: Any, steps: list[str]) -> object:
    for step in steps:
        value = value[int(step[1:-1])] if step.startswith("[") else value[step]
    return value


def _expected(said: str) -> str:
    """The words for "Expected `int | null`, got `str`" and the other sentences of msgspec."""
    found = re.match(r"Expected `([^`]+)`(?: (.*))?", said.partition(", got ")[0])
    if found is None:
        return "one of those known"
    kind = " or ".join(WORDS.get(part, part) for part in found[1].split(" | "))
    return f"{kind} {found[2]}" if found[2] else kind
